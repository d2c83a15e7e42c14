"""Names of the solvers and losses, as the code lists them: a new one is tested by every test that can test it."""

from fastfm_ext._learning import losses
from fastfm_ext._learning.solvers import registry

ALL_SOLVERS = tuple(solver.name for solver in registry.SOLVERS)
# Those that train on batches too, and by every loss; others are tested where they have what is tested.
SOLVERS = tuple(solver.name for solver in registry.SOLVERS if solver.trains_on_batches)
LOSSES = tuple(loss.name for loss in losses.LOSSES)  # of rows with a target
RANKING_LOSSES = tuple(loss.name for loss in losses.RANKING_LOSSES)
# WARP draws until an item violates the order, so it has one choice and one drawn item at a time.
SAMPLED_LOSSES = tuple(loss for loss in RANKING_LOSSES if not loss.startswith("warp"))
