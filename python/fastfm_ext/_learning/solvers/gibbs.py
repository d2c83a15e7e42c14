"""Gibbs sampler of the Bayesian factorization machine, by blocks.

Freudenthaler, Schmidt-Thieme, Rendle, "Bayesian factorization machines" (2011), with the parameters (w_i, v_i) of a
feature drawn together, and Rendle 2013 for relations. A sweep draws each block given all others, then the priors' means
and precisions, the bias, and what belongs to the likelihood. Nothing but the parameters is kept between sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._engine import sweep
from fastfm_ext._engine.blocks import Blocks
from fastfm_ext._engine.sweep import Coefficients, DrawOptions, NormalPrior
from fastfm_ext._learning.block_model import BlockModel, Errors, ModelBlock
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.solvers.hyperpriors import Drawn, GroupPrior, Priors, draw_prior, draw_relative_precisions
from fastfm_ext._learning.solvers.likelihoods import Likelihood

START_SPREAD = 0.1
# Wider tables than these are drawn by coordinates, which mixes a little more slowly: with few blocks that is the faster
# way from 17 factors on; with many, most of a draw's time goes into reading, and it gains less.
FEW_BLOCKS = 3
WIDEST_JOINT, WIDEST_JOINT_OF_MANY = 16, 32
# Means of centered block rows are sums that a sweep changes: after so many they are made anew.
SWEEPS_OF_MEANS = 32


def is_by_coordinate(k: int, n_blocks: int) -> bool:
    """Return whether tables of k columns are drawn by coordinates."""
    return k > (WIDEST_JOINT if n_blocks <= FEW_BLOCKS else WIDEST_JOINT_OF_MANY)


@dataclass(frozen=True)
class Draw:
    """Parameters of a factorization machine: w0, w (n_features,) and V (n_features, n_factors)."""

    w0: float
    w: Float32
    V: Float32


class Chain:
    """Markov chain of a factorization machine's parameters, whose distribution becomes the posterior.

    Parameters
    ----------
    blocks : Blocks
    likelihood : Likelihood
        With the targets, in units of their spread.
    sample_weight : ndarray of shape (n_rows,), or None
    n_factors : int
    priors : Priors
    fit_intercept, fit_linear : bool
    n_threads : int
        The chain is the same, bit for bit, with any number.
    seed : int

    Attributes
    ----------
    n_sweeps : int
    noise : float
        Precision of the noise.
    w0 : float
    model : BlockModel
    """

    def __init__(
        self,
        blocks: Blocks,
        likelihood: Likelihood,
        sample_weight: Float32 | None,
        n_factors: int,
        priors: Priors,
        *,
        fit_intercept: bool = True,
        fit_linear: bool = True,
        n_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.model = BlockModel.of(blocks, sample_weight, n_factors, fit_linear=fit_linear, n_threads=n_threads)
        self.likelihood = likelihood
        self.priors = priors
        self.fit_intercept = fit_intercept
        self.n_sweeps = 0
        self.noise = 1.0
        self.w0 = 0.0
        self._seed = seed
        self._scores: Float64 | None = None
        self._targets: Float64 | None = None
        self._groups = [GroupPrior.start(n_factors) for _ in range(blocks.n_groups)]
        # A centered relation has a prior of its rows, and its features have precisions relative to it.
        self._row_priors = {
            number: GroupPrior.start(n_factors, blocks.n_groups)
            for number, part in enumerate(self.model.parts)
            if part.is_centered
        }
        k = self.model.rows.k
        self._means = {number: Coefficients.empty(self.model.parts[number].n_drawn, k) for number in self._row_priors}
        self.model.start(np.random.default_rng([seed, 0]), START_SPREAD)

    @property
    def y(self) -> AnyArray:
        """The targets as they are observed; they may be replaced between two sweeps."""
        return self.likelihood.y

    @y.setter
    def y(self, y: AnyArray) -> None:
        self.likelihood.y = y

    # --- a sweep -----------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Draw everything once.

        Raises
        ------
        DivergenceError
            If a parameter is not finite.
        """
        self.n_sweeps += 1
        rng = np.random.default_rng([self._seed, self.n_sweeps])
        model, likelihood = self.model, self.likelihood
        model.set_intercept(self.w0)
        if likelihood.needs_scores and self._scores is None:
            self._scores = self.scores()
        targets = likelihood.targets(self._scores, rng)
        if targets is not self._targets:
            self._targets = targets
            model.set_targets(targets)
        errors: Errors | None = None
        for number, part in enumerate(model.parts):
            is_last = number == len(model.parts) - 1
            options = self._options(int(rng.integers(1 << 63)), with_noise=True)
            errors = model.draw(part, self._priors_of(number), options, wants_errors=is_last)
            self._check_finite(part.block_rows)
            if part.is_centered:
                self._draw_means(number, part, rng)
        self._draw_priors(rng)
        errors = self._draw_intercept(self.model.checked(errors), rng)
        self._scores = None
        if likelihood.needs_scores:
            model.set_intercept(self.w0)
            self._scores = model.scores()
        self.noise = likelihood.update(self._scores, errors.squares, model.weight_sum, rng)

    def _check_finite(self, drawn: Coefficients) -> None:
        with np.errstate(invalid="ignore"):  # a sum is finite unless a term is not
            total = drawn.V.sum(dtype=np.float64) + drawn.w.sum(dtype=np.float64)
        if not np.isfinite(total):
            raise DivergenceError(
                f"The parameters became NaN or infinite in sweep {self.n_sweeps}. Some values of X are so far from 0 "
                "that float32 cannot tell what the other values of their rows say: bring the columns of X to about unit"
                " size, and take logarithms or ranks of columns with a few values far larger than the rest.",
                self.n_sweeps,
            )

    def _options(self, seed: int, *, with_noise: bool) -> DrawOptions:
        model = self.model
        by_coordinate = with_noise and is_by_coordinate(model.rows.k, len(model.parts))
        return DrawOptions(self.noise, model.n_factors, model.fit_linear, with_noise, by_coordinate, seed)

    def _priors_of(self, number: int) -> list[NormalPrior]:
        part, k = self.model.parts[number], self.model.rows.k
        if part.is_centered:
            return [self._row_priors[number].as_kernels_read(k, self._means[number])]
        if part.relation is None:
            return [self._groups[part.group].as_kernels_read(k)]
        return [group.as_kernels_read(k) for group in self._groups]

    def _draw_intercept(self, errors: Errors, rng: np.random.Generator) -> Errors:
        """Draw w0; return the errors behind it."""
        if not self.fit_intercept:
            return errors
        n = self.model.weight_sum
        precision = self.noise * n + self.priors.w0_precision
        mean = self.noise * (errors.total + n * self.w0) / precision
        change = mean + rng.standard_normal() / np.sqrt(precision) - self.w0
        self.w0 = float(self.w0 + change)
        return errors.behind(change, n)

    def _draw_priors(self, rng: np.random.Generator) -> None:
        parts = [part for part in self.model.parts if not part.is_centered]
        n_factors = self.model.n_factors
        groups = np.concatenate([part.groups for part in parts]) if parts else np.zeros(0, dtype=np.int32)
        if not len(groups):
            return
        V = np.concatenate([part.features.V[:, :n_factors] for part in parts])
        w = np.concatenate([part.features.w for part in parts])
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            drawn = Drawn(Coefficients(V[rows], w[rows]))
            self._groups[group] = draw_prior(self.priors, self._groups[group], drawn, rng)

    def _draw_means(self, number: int, part: ModelBlock, rng: np.random.Generator) -> None:
        """Draw the features that the means of a centered relation's rows are sums of, and their priors."""
        relation, prior, means = part.relation, self._row_priors[number], self._means[number]
        assert relation is not None
        rows = part.block_rows
        left = Coefficients(rows.V - means.V, rows.w - means.w)
        options = self._options(int(rng.integers(1 << 63)), with_noise=True)
        tau = Coefficients(prior.tau_V.astype(np.float32), prior.tau_w.astype(np.float32))
        k = self.model.rows.k
        sweep.draw_means(relation, prior.as_kernels_read(k), tau, options, part.features, left)

        n_factors = self.model.n_factors
        mu_V, mu_w = prior.mu_V.astype(np.float32), np.float32(prior.mu_w)
        around_mean = Coefficients(left.V[:, :n_factors] + mu_V, left.w + mu_w)
        features = Coefficients(part.features.V[:, :n_factors], part.features.w)
        group_of = relation.group_of
        roots = Coefficients(np.sqrt(tau.V)[group_of, None], np.sqrt(tau.w)[group_of])
        around_zero = Coefficients(roots.V * features.V, roots.w * features.w)
        after = draw_prior(self.priors, prior, Drawn(around_mean, around_zero), rng)
        after = draw_relative_precisions(self.priors, after, features, group_of, rng)
        self._row_priors[number] = after
        if self.n_sweeps % SWEEPS_OF_MEANS == 0:
            means = part.sums_of_features()
            means.V[:, :n_factors] += after.mu_V.astype(np.float32)
            means.w[...] += np.float32(after.mu_w)
        else:
            means.V[...] = rows.V - left.V
            means.V[:, :n_factors] += (after.mu_V - prior.mu_V).astype(np.float32)
            means.w[...] = rows.w - left.w + np.float32(after.mu_w - prior.mu_w)
        self._means[number] = means

    # --- what the chain has come to ----------------------------------------------------------------------------------

    def scores(self) -> Float64:
        """Return the score of each row, (n_rows,)."""
        self.model.set_intercept(self.w0)
        return self.model.scores()

    def parameters(self) -> Draw:
        """Return the parameters as they are now.

        A feature that a centered block row has for itself gets what is left of the row's own parameters once those of
        its other features are taken off, so that all of them add up to the row's.
        """
        return self._draw_of({number: self.model.parts[number].block_rows for number in self._row_priors}, {})

    def conditional_means(self) -> Draw:
        """Return the mean of each feature's parameters given everything else, as it is now.

        Of a centered relation these are the means of its block rows; what the features add to them stays.
        """
        model = self.model
        model.set_intercept(self.w0)
        means = {}
        for number, part in enumerate(model.parts):
            n = part.n_drawn if part.is_centered else len(part.features.V)
            means[number] = Coefficients.empty(n, model.rows.k)
            options = self._options(0, with_noise=False)
            model.draw(part, self._priors_of(number), options, out=means[number])
        return self._draw_of(
            {number: means[number] for number in self._row_priors},
            {number: of_part for number, of_part in means.items() if number not in self._row_priors},
        )

    def _draw_of(self, block_rows: dict[int, Coefficients], features: dict[int, Coefficients]) -> Draw:
        """Return parameters of centered parts by their block rows, and of others by their features or as they are."""
        model = self.model
        V, w = model.gathered([features.get(number, part.features) for number, part in enumerate(model.parts)])
        for number, rows in block_rows.items():
            prior, means, own = self._row_priors[number], self._means[number], model.parts[number].block.own
            assert own is not None
            V[own] = (rows.V - means.V)[:, : model.n_factors] + prior.mu_V.astype(np.float32)
            w[own] = rows.w - means.w + np.float32(prior.mu_w)
        return Draw(self.w0, w, V)

    @property
    def hyperparameters(self) -> dict[str, Float64]:
        """Means and precisions of the priors, by group.

        Those of a centered relation's block rows are of the group of their own features. Its other features, whose
        precisions are relative to these, have NaN.
        """
        names = ("mu_w", "lambda_w", "mu_V", "lambda_V") if self.model.fit_linear else ("mu_V", "lambda_V")
        of_groups, groups = list(self._groups), self.model.groups
        centered = [self.model.parts[number] for number in self._row_priors]
        for number, prior in self._row_priors.items():
            own = self.model.parts[number].block.own
            assert own is not None
            of_groups[groups[own[0]]] = prior
        values = {name: np.array([getattr(group, name) for group in of_groups]) for name in names}
        for array in values.values():
            for part in centered:
                array[part.groups] = np.nan
        return values
