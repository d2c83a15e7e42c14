"""Markov chains of a Bayesian factorization machine that predict held-out rows after each sweep."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._engine.blocks import Block
from fastfm_ext._engine.sweep import Coefficients
from fastfm_ext._learning.block_model import ModelBlock
from fastfm_ext._learning.solvers.gibbs import Chain
from fastfm_ext._learning.solvers.hyperpriors import Priors
from fastfm_ext._learning.solvers.likelihoods import Gaussian, Probit
from fastfm_ext.bayesian.centered import CenteredForm

from .rows import Rows

Array = NDArray[np.floating]


@dataclass(frozen=True)
class ChainOptions:
    """Settings of a chain."""

    n_factors: int = 16
    form: str = "fm"
    prior: str = "normal-wishart"
    n_threads: int = 1
    seed: int = 0


class HeldOutChain:
    """Chain on training rows that predicts held-out rows after each sweep.

    Parameters
    ----------
    rows : Rows
    options : ChainOptions

    Attributes
    ----------
    seconds : float
        CPU time of all sweeps so far, and of the conditional means that `changes` needs, by the clock of this thread.
    """

    def __init__(self, rows: Rows, options: ChainOptions) -> None:
        blocks, y, n = rows.X.to_blocks(), rows.train_y, rows.n_train
        self.center, self.unit = (0.0, 1.0) if rows.has_classes else (float(y.mean()), float(y.std()))
        learned, held_out = blocks.take(slice(0, n)), blocks.take(slice(n, blocks.n_rows))
        if options.form == "centered":
            form = CenteredForm.found(learned, blocks.groups)
            learned, held_out = form.learned(learned), form.applied(held_out)
        likelihood = Probit(y.astype(np.int64)) if rows.has_classes else Gaussian((y - self.center) / self.unit)
        self.chain = Chain(
            learned,
            likelihood,
            None,
            options.n_factors,
            Priors(kind=options.prior),
            n_threads=options.n_threads,
            seed=options.seed,
        )
        self._parts = [
            (number, part, _same(part, held_out.blocks)) for number, part in enumerate(self.chain.model.parts)
        ]
        self.seconds = 0.0

    def sweep(self) -> float:
        """Sweep once; return the seconds."""
        started = time.thread_time()
        self.chain.sweep()
        seconds = time.thread_time() - started
        self.seconds += seconds
        return seconds

    @property
    def noise_variance(self) -> float:
        """Variance of an observation around its score, in the unit of the targets."""
        return float(self.unit**2 / self.chain.noise)

    def scores(self) -> Array:
        """Return the scores of the held-out rows, (n_held_out,), in the unit of the targets."""
        own, S = self._sums()
        return self.center + self.unit * (self.chain.w0 + own + 0.5 * np.einsum("rf,rf->r", S, S))

    def changes(self) -> Array:
        """Return by how much the scores change if each block in turn has its conditional mean, summed over blocks.

        Its mean over the posterior is 0, so a part of it may be added to the scores: a control variate; with one part
        in the number of blocks, this is Rao-Blackwell's average over the blocks.
        """
        chain, model = self.chain, self.chain.model
        started = time.thread_time()
        means = []
        for number, part, _ in self._parts:
            drawn = part.block_rows if part.is_centered else part.features
            mean = Coefficients.empty(len(drawn.V), model.rows.k)
            model.draw(part, chain._priors_of(number), chain._options(0, with_noise=False), out=mean)
            means.append((mean.V - drawn.V, mean.w - drawn.w, drawn.V))
        self.seconds += time.thread_time() - started
        _, S = self._sums()
        total = np.zeros(len(S))
        for (_, part, block), (D, dw, V) in zip(self._parts, means, strict=True):
            own = dw - np.einsum("jf,jf->j", D, V)
            if part.relation is not None and not part.is_centered:
                X = block.rows
                data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
                rows = np.repeat(np.arange(X.n_rows), np.diff(X.indptr))
                each = data * dw[X.indices] - data**2 * np.einsum("jf,jf->j", D, V)[X.indices]
                own = np.bincount(rows, each, X.n_rows)
                changes = np.zeros((X.n_rows, D.shape[1]), dtype=np.float32)
                np.add.at(changes, rows, data[:, None] * D[X.indices])
                D = changes
            has_row = block.ids < len(D)
            ids = block.ids[has_row]
            total[has_row] += own[ids] + np.einsum("rf,rf->r", D[ids], S[has_row])
        return self.unit * total

    def _sums(self) -> tuple[Array, Array]:
        """Return what the blocks' own terms, less half their squares, and their vectors add up to."""
        own, S = 0.0, 0.0
        for _, part, block in self._parts:
            table = part.table
            own = own + (table.terms[:, 0].astype(np.float64) - table.terms[:, 1])[block.ids]
            S = S + table.S[block.ids]
        return own, S


def _same(part: ModelBlock, blocks: tuple[Block, ...]) -> Block:
    """Return the held-out rows' block of the same features."""
    (found,) = (block for block in blocks if np.array_equal(block.features, part.block.features))
    if found.values is not None:
        raise ValueError("rows that multiply a block row are not predicted here")
    if found.own is None or part.block.own is None:
        return found
    # Block rows of the chain; what is known of an id that it has not seen is left out.
    return replace(found, ids=np.searchsorted(part.block.own, found.own)[found.ids].astype(np.int32))
