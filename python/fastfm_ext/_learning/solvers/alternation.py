"""Alternating least squares at work: sweeps over both sides, each a step towards the minimum in all its parameters.

Before a side's step, the factors of both sides are turned into the eigenvectors of the other side's Gram matrix, which
changes no score and no L2. Sums over all pairs then cost O(k) a row instead of O(k^2), and the diagonal is a far better
preconditioner. Rows that share no feature are solved one by one, in the cache; others by conjugate gradients on all
parameters of a side jointly. Where the loss is not quadratic in these, the step is halved until the loss falls.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32
from fastfm_ext._engine.csr import Csr, features_in, take_rows
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._engine.scipy_matrices import as_scipy, transposed
from fastfm_ext._engine.whole_data import LANES, Moments, OtherSide, Vectors
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.solvers.sides import RankingSide

MOST_HALVINGS = 12
SMALL_RESIDUAL = 1e-10  # of the squared one that the steps began with: float32 has no more


class Alternation:
    """Training of a problem's parameters by sweeps: first the users, then the items.

    Parameters
    ----------
    problem : Problem
    unobserved_weight : float
        Weight of a pair that was not chosen.
    n_row_steps : int
        Steps of conjugate gradients for each row that is solved by itself.
    n_side_steps : int
        The same for all parameters of a side.
    """

    # What overflows is found by the loss.
    @np.errstate(over="ignore", invalid="ignore")
    def __init__(self, problem: Problem, unobserved_weight: float, n_row_steps: int, n_side_steps: int) -> None:
        self._problem = problem
        self._unobserved_weight = unobserved_weight
        self._n_row_steps, self._n_side_steps = n_row_steps, n_side_steps
        self._n_threads = problem.schedule.n_threads
        choices: Choices = problem.data
        # Of a user who chose nothing, nobody knows what was on offer.
        rows = np.flatnonzero(np.diff(choices.interactions.indptr)).astype(np.int64)
        users, interactions = (take_rows(X, rows) for X in (choices.users, choices.interactions))
        weights = interactions.data
        self._total_weight = float(interactions.nnz if weights is None else weights.sum(dtype=np.float64))
        given = (users, interactions), (choices.items, transposed(interactions))
        masses = [
            _masses(X, chosen, unobserved_weight * other.n_rows)
            for (X, chosen), (other, _) in zip(given, given[::-1], strict=True)
        ]
        names = [features_in(X, np.zeros(0, dtype=np.intp)) for X, _ in given]
        both = np.intersect1d(names[0], names[1])
        sides = [
            self._side(X, chosen, features, np.isin(features, both), (masses[0] + masses[1])[features], number == 1)
            for number, ((X, chosen), features) in enumerate(zip(given, names, strict=True))
        ]
        self._users, self._items = sides
        for side in sides:
            side.measure()

    def _side(
        self, X: Csr, chosen: Csr, features: AnyArray, shared: AnyArray, mass: AnyArray, is_items: bool
    ) -> RankingSide:
        params, options = self._problem.scorers[0], self._problem.options
        place = np.zeros(X.n_features, dtype=np.int32)
        place[features] = np.arange(len(features), dtype=np.int32)
        own = replace(X, indices=place[X.indices], n_features=len(features))
        parameters = Vectors.of(params.V[features], params.w[features])
        has_pairs = is_items and params.n_factors > 0 and bool((np.diff(X.indptr) > 1).any())
        squares = as_scipy(own) if has_pairs else None
        if squares is not None:
            squares.data = squares.data**2
        return RankingSide(
            features=features,
            X=own,
            transposed=transposed(own),
            chosen=chosen,
            squares=squares,
            shared=shared,
            l2_w=(options.l2_w * mass).astype(np.float32),
            l2_V=(options.l2_V * mass).astype(np.float32),
            fit_linear=options.fit_linear,
            n_threads=self._n_threads,
            parameters=parameters,
            rows=parameters,
            moments=Moments.of(Vectors.empty(0, LANES), 1),
        )

    # --- a sweep -----------------------------------------------------------------------------------------------------

    @np.errstate(over="ignore", invalid="ignore")
    def run_epoch(self, epoch: int) -> float:
        """Take a step on each side; return the loss between the two, L2 included, over the weight of all choices."""
        problem = self._problem
        self._step(self._users, self._items, epoch)
        loss = self._step(self._items, self._users, epoch) / self._total_weight
        params = problem.scorers[0]
        for side in (self._users, self._items):
            params.V[side.features] = side.parameters.factors[:, : params.n_factors]
            params.w[side.features] = side.parameters.own
        problem.guard.check(loss, epoch, problem.data)
        return loss

    def _step(self, side: RankingSide, other: RankingSide, epoch: int) -> float:
        """Move a side's parameters towards the minimum; return the loss of before, L2 included."""
        self._rotate(other, epoch)
        weight = self._unobserved_weight
        system = OtherSide.of(side.chosen, other.rows, other.moments, weight, fit_own=side.fit_linear)
        rest = weight * side.moments.all_squares(other.moments) + self._penalty()
        if side.rows_are_apart:
            loss = system.solve(side.rows, side.l2_of_rows, self._n_row_steps, self._n_threads)
            side.take_parameters_of_rows()
            return loss + rest
        of_rows, diagonal, loss = system.gradient(side.rows, self._n_threads)
        gradient = side.collect(of_rows)
        side.add_l2(gradient, side.parameters)
        if side.shared.any():
            gradient.factors[side.shared], gradient.own[side.shared] = self._whole_gradient(side, other, gradient)
        step = self._conjugate_gradients(side, system, gradient, side.collect_diagonal(diagonal))
        self._take(side, other, step, loss + rest)
        return loss + rest

    def _rotate(self, other: RankingSide, epoch: int) -> None:
        """Turn both sides' factors into the eigenvectors of the other side's Gram matrix."""
        n, gram = self._problem.scorers[0].n_factors, other.moments.gram
        if not np.isfinite(gram).all():
            raise self._problem.guard.error("a score became NaN or infinite", epoch, self._problem.data)
        rotation = np.eye(len(gram))
        rotation[:n, :n] = np.linalg.eigh(gram[:n, :n])[1]
        for side in (self._users, self._items):
            side.rotate(rotation)

    def _penalty(self) -> float:
        return self._users.penalty() + self._items.penalty(~self._items.shared)

    def _conjugate_gradients(
        self, side: RankingSide, system: OtherSide, gradient: Vectors, diagonal: Vectors
    ) -> Vectors:
        """Return about minus the inverse of half the second derivatives, times half the gradient, which is overwritten.

        Hestenes and Stiefel (1952), preconditioned by the diagonal (Jacobi).
        """
        step = Vectors(np.zeros_like(gradient.factors), np.zeros_like(gradient.own))
        residual = gradient
        for values in (residual.factors, residual.own):
            np.negative(values, out=values)
        scaled = _divided(residual, diagonal)
        direction, rho = scaled, residual.dot(scaled)
        enough = SMALL_RESIDUAL * rho
        for _ in range(self._n_side_steps):
            if not rho > enough:
                break
            product = side.collect(system.product(side.spread(direction), self._n_threads))
            side.add_l2(product, direction)
            length = rho / direction.dot(product)
            step.add(length, direction)
            residual.add(-length, product)
            scaled = _divided(residual, diagonal)
            before, rho = rho, residual.dot(scaled)
            scaled.add(rho / before, direction)
            direction = scaled
        return step

    # --- losses that are not quadratic -------------------------------------------------------------------------------

    def _whole_gradient(self, side: RankingSide, other: RankingSide, gradient: Vectors) -> tuple[Float32, Float32]:
        """Return half the gradient in the shared features, which act through both sides."""
        system = OtherSide.of(other.chosen, side.rows, side.moments, self._unobserved_weight, fit_own=True)
        of_rows = self._row_gradient(system, other, side)
        theirs = other.collect(of_rows)
        mine = (gradient.factors[side.shared], gradient.own[side.shared])
        return mine[0] + theirs.factors[other.shared], mine[1] + theirs.own[other.shared]

    def _row_gradient(self, system: OtherSide, rows: RankingSide, others: RankingSide) -> Vectors:
        """Return half the gradient in rows whose others' Gram matrix is not diagonal."""
        gradient = system.gradient(rows.rows, self._n_threads)[0]
        gram = self._unobserved_weight * others.moments.gram
        off_diagonal = gram - np.diag(np.diag(gram))
        missing = rows.rows.rotated(off_diagonal.astype(np.float32), self._n_threads)
        np.add(gradient.factors, missing.factors, out=gradient.factors)
        return gradient

    def _take(self, side: RankingSide, other: RankingSide, step: Vectors, before: float) -> None:
        """Add a step to a side's parameters, halved until the loss is not above that of before."""
        start = side.parameters
        for halvings in range(MOST_HALVINGS if not side.is_quadratic else 1):
            side.parameters = Vectors(start.factors.copy(), start.own.copy())
            side.parameters.add(0.5**halvings, step)
            self._take_shared(side, other)
            side.measure()
            if side.is_quadratic or self._loss(side, other) <= before:
                return
        side.parameters = start
        self._take_shared(side, other)
        side.measure()

    @staticmethod
    def _take_shared(side: RankingSide, other: RankingSide) -> None:
        """Let the other side know the parameters that both have."""
        if side.shared.any():
            other.parameters.factors[other.shared] = side.parameters.factors[side.shared]
            other.parameters.own[other.shared] = side.parameters.own[side.shared]
            other.measure()

    def _loss(self, side: RankingSide, other: RankingSide) -> float:
        weight = self._unobserved_weight
        system = OtherSide.of(side.chosen, other.rows, other.moments, weight, fit_own=True)
        chosen = system.gradient(side.rows, self._n_threads)[2]
        return chosen + weight * side.moments.all_squares(other.moments) + self._penalty()


def _masses(X: Csr, chosen: Csr, unobserved: float) -> AnyArray:
    """Return the weight of the pairs that each feature of X has a part in, (n_features,): its L2 grows with it."""
    weights = np.ones(chosen.nnz) if chosen.data is None else chosen.data
    of_rows = np.bincount(np.repeat(np.arange(chosen.n_rows), np.diff(chosen.indptr)), weights, chosen.n_rows)
    squares = np.ones(X.nnz) if X.data is None else X.data.astype(np.float64) ** 2
    of_values = np.repeat(of_rows + unobserved, np.diff(X.indptr)) * squares
    return np.bincount(X.indices, of_values, X.n_features)


def _divided(vectors: Vectors, by: Vectors) -> Vectors:
    """Return the quotients; 0 where the divisor, and with it the vector, is 0."""
    factors = np.divide(vectors.factors, by.factors, out=np.zeros_like(vectors.factors), where=by.factors > 0)
    return Vectors(factors, np.divide(vectors.own, by.own, out=np.zeros_like(vectors.own), where=by.own > 0))
