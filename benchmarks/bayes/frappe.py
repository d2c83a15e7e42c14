"""Frappe's app usage in blocks: ten fields of one entry each, with the files of He and Chua (2017)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_svmlight_file

from fastfm_ext import BlockMatrix
from real_data import FRAPPE_FEATURES, open_data

from .rows import Rows

FILES = {"train": "frappe.train.rebuilt.libfm", "validation": "frappe.validation.libfm", "test": "frappe.test.libfm"}


def frappe(held_out: str = "validation") -> Rows:
    """Return the training file, and the rows of another one to predict.

    Negatives of the training file have been drawn anew, so figures are not to be compared with those of papers to the
    last digit.
    """
    parts = []
    for name in ("train", held_out):
        with open_data(f"frappe-nfm/{FILES[name]}") as stream:
            parts.append(load_svmlight_file(stream, n_features=FRAPPE_FEATURES, zero_based=True, dtype=np.float32))
    (train, of_train), (others, of_others) = parts
    y = (np.concatenate([of_train, of_others]) > 0).astype(np.float64)
    X = sp.vstack([train, others], format="csr")
    return Rows(BlockMatrix([X]), y, train.shape[0], has_classes=True)
