"""Names of the solvers and losses, as the code lists them: a new one is tested by every test that can test it."""

from fastfm_ext._engine import parameters, ranking

SOLVERS = tuple(parameters.SOLVERS)
LOSSES = tuple(parameters.LOSSES)  # of rows with a target
RANKING_LOSSES = tuple(ranking.LOSSES)
# WARP draws until an item violates the order, so it has one choice and one drawn item at a time.
SAMPLED_LOSSES = tuple(loss for loss in RANKING_LOSSES if loss != "warp")
