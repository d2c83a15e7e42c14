"""Kernels' view of the data: CSR, parameters, options, and one Python call for each kernel."""

from fastfm_ext._engine.csr import Csr as Csr
from fastfm_ext._engine.parameters import *  # noqa: F403
