"""Estimator base of rankings: what `FMRanker` tells the base of all estimators, by loss and similarity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._common.arrays import AnyArray, Bools
from fastfm_ext._common.checks import is_integer, is_real, optional
from fastfm_ext._engine.centers import NO_CENTERS
from fastfm_ext._engine.csr import features_in
from fastfm_ext._engine.options import STATE_SLOTS, Options
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._estimators.base import FMEstimator, TrainingCall
from fastfm_ext._estimators.conventions import ScikitLearnEstimator
from fastfm_ext._estimators.early_stopping import parts_of_interactions
from fastfm_ext._estimators.hyperparameters import check_ranges
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._estimators.vectors import PooledRows, VectorsMixin
from fastfm_ext._learning.held_out import HeldOutChoices, to_visit, without
from fastfm_ext._learning.loop import History, Schedule
from fastfm_ext._learning.losses import FMRANKER_LOSSES, PairsLoss, RankingLoss
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.similarity import Similarity
from fastfm_ext._learning.solvers.all_pairs import AllPairsLeastSquares, default_unobserved_weight
from fastfm_ext._learning.solvers.cosine_softmax import EPOCHS, CosineSoftmax
from fastfm_ext._learning.solvers.negative_sampling import NegativeSampling
from fastfm_ext._learning.spectral import start_spectrally
from fastfm_ext._learning.temperature import at_temperature, best_temperature, suited_to
from fastfm_ext._learning.undo import Undo
from fastfm_ext._learning.units import FeatureScale, Units
from fastfm_ext._validation.interactions import to_interactions
from fastfm_ext._validation.matrices import centered_anew, to_csr
from fastfm_ext.ranking.histories import HistoriesMixin, no_features
from fastfm_ext.ranking.hyperparameters import (
    TEMPERATURE,
    check_loss,
    check_reads,
    check_settings,
    is_mostly_signed,
    wants_cosine,
)

MAX_EPOCHS = 100  # of inner products, which early stopping ends


class RankingEstimator(HistoriesMixin, VectorsMixin, FMEstimator, ScikitLearnEstimator):
    """Training from who chose what; the subclass has the hyperparameters."""

    loss: str
    similarity: str | None
    temperature: float | None
    n_negatives: int | None
    n_positives: int | None
    kth_positive: int | None
    popularity: float | None
    unobserved_weight: float | None
    validation_metric: str
    user_history: bool

    _validation_name = "val_score"
    _suits_cosine: bool = True

    def _pool_users(self, X: Any) -> PooledRows:
        model: Self = self._as_it_is()
        if hasattr(model, "n_items_in_"):
            rows = model._pool_rows(model._read_whole_users(X), None)
        else:
            rows = model._pool(X, lambda units: units.centers)
        return rows._replace(sum_vx=model._similarity.of_users(rows.sum_vx))

    def _pool_items(self, X: Any) -> PooledRows:
        model: Self = self._as_it_is()
        pool = _engine.pool if model._similarity.temperature is None else _engine.pool_apart
        rows = model._pool(X, lambda units: units.item_centers, pool)
        return rows._replace(sum_vx=model._similarity.of_items(rows.sum_vx))

    @property
    def _similarity(self) -> Similarity:
        """The similarity that the model was trained with."""
        return Similarity(getattr(self, "temperature_", None))

    @property
    def _link(self) -> Link:
        return Link("similarity", temperature=self._similarity.temperature)

    @property
    def _loss(self) -> RankingLoss | PairsLoss:
        return next(loss for loss in FMRANKER_LOSSES if loss.name == self.loss)

    @property
    def _solver(self) -> NegativeSampling | CosineSoftmax | AllPairsLeastSquares:
        loss = self._loss
        if isinstance(loss, PairsLoss):
            return AllPairsLeastSquares(getattr(self, "unobserved_weight_", 1.0))
        if not self._is_cosine:
            of_loss = {name: getattr(self, name) for name in loss.reads}
            return NegativeSampling(loss, self.n_negatives, self.popularity, **of_loss)
        temperature = self.temperature or self._similarity.temperature or TEMPERATURE
        return CosineSoftmax(self.n_negatives, self.popularity, float(temperature))

    @property
    def _is_cosine(self) -> bool:
        """Whether cosines are learned: as the user says, else as suits the features of the first training."""
        wanted = wants_cosine(self)
        return self._suits_cosine if wanted is None else wanted

    @property
    def _most_epochs(self) -> int:
        if self.max_iter is not None:
            return int(self.max_iter)
        return EPOCHS if self._is_cosine else MAX_EPOCHS

    def _options(self) -> Options:
        options, solver = super()._options(), self._solver
        return solver.options(options) if isinstance(solver, CosineSoftmax) else options

    def _schedule_of(self, max_iter: int, report: Callable[[int, History], bool] | None) -> Schedule:
        schedule = super()._schedule_of(max_iter, report)
        return replace(schedule, n_iter_no_change=max_iter) if self._is_cosine else schedule

    def _ready(self, problem: Problem) -> tuple[Problem, Any]:
        solver = self._solver
        self._rates_fall = isinstance(solver, CosineSoftmax)
        if not isinstance(solver, CosineSoftmax):
            self.temperature_ = None
            return problem, solver
        if self.temperature is None and self._similarity.temperature is None and problem.held_out is not None:
            self.temperature_ = suited_to(problem.data.items, best_temperature(problem, solver))
        else:
            self.temperature_ = solver.temperature
        return at_temperature(problem, self.temperature_), self._solver

    def _check_can_continue(self) -> None:
        if not self._has_no_units and self._scorers[0].n_slots != STATE_SLOTS[self._solver.name]:
            raise ValueError(
                f"loss is now {self.loss!r}, and the model was trained with one of another solver. Set it back to go "
                "on, or train anew: fit with warm_start=False."
            )
        super()._check_can_continue()
        learned = self._similarity.temperature is not None
        if learned != self._is_cosine:
            raise ValueError(
                f"similarity is now {'dot' if learned else 'cosine'!r}, and the model was trained with the other. "
                "Set it back to go on, or train anew: fit with warm_start=False."
            )

    def _check_params(self) -> None:
        check_loss(self)
        check_ranges(self, max_iter=(optional(is_integer(1)), "an integer of at least 1, or None for the default"))
        check_settings(self)
        check_reads(self, self._solver.reads)

    def _prepare(self, data: tuple[Any, Any, Any], validation: None, call: TrainingCall, undo: list[Undo]) -> Problem:
        X_user, X_item, interactions = data
        units = None if call.is_first else self._units
        centers, item_centers = (units.centers, units.item_centers) if units else (NO_CENTERS, NO_CENTERS)
        if X_user is None:
            if not self.user_history:
                raise ValueError("X_user is None; only with user_history=True do users need no features.")
            X_user = no_features(interactions, X_item)
        users = to_csr(self, X_user, reset=call.is_first, name="X_user", centers=centers)
        items = to_csr(self, X_item, name="X_item", centers=item_centers)
        chosen = to_interactions(interactions, users.n_rows, items.n_rows)
        self._learn_items(chosen.n_features, is_first=call.is_first)
        if call.is_first:
            users, centers = centered_anew(users, X_user, is_beginning=call.is_batch)
            items, item_centers = centered_anew(items, X_item, is_beginning=call.is_batch)
            scale = FeatureScale.of(users, centers).and_of(FeatureScale.of(items, item_centers))
            self._units = Units(scale, centers=centers, item_centers=item_centers)
        if call.is_first or not call.is_batch:
            self._units = self._units.weighed_anew(chosen.data)
        if isinstance(self._loss, PairsLoss):
            given = self.unobserved_weight
            self.unobserved_weight_ = default_unobserved_weight(chosen) if given is None else float(given)
        else:
            self.__dict__.pop("unobserved_weight_", None)
        features = self._units.features
        if call.is_first:
            self.temperature_ = None
            self._suits_cosine = not (is_mostly_signed(users) or is_mostly_signed(items))
        chosen = replace(chosen, data=self._units.relative(chosen.data, chosen.nnz))
        users, items = (self._widened(features.apply(X)) for X in (users, items))
        choices = Choices.of(users, items, chosen, self.n_features_in_ if self.user_history else None)
        problem_without = partial(self._problem, choices, call, undo)
        seed = self._seed()
        if call.is_batch:
            # Each epoch of `partial_fit` draws anew, as those of `fit` do: a choice that meets the same few items again
            # and again learns little from them.
            epoch = [] if call.is_first else [getattr(self, "n_iter_", 0)]
            return problem_without(None, np.random.default_rng([seed, *epoch]))
        rng = np.random.default_rng(seed)
        parts = parts_of_interactions(self, chosen, users.n_features, rng, is_first=call.is_first)
        return self._problem_of_parts(problem_without, parts, rng, seed, call)

    def _problem(
        self, choices: Choices, call: TrainingCall, undo: list[Undo], marked: Bools | None, rng: np.random.Generator
    ) -> Problem:
        """Return the problem of training on all of these choices, or on those that are not marked."""
        held_out, touched = None, None
        if call.is_batch:
            touched = features_in(choices.items, features_in(choices.whole_users, self._units.features.columns))
        if marked is not None:
            relevant = without(choices.interactions, ~marked)
            trained = without(choices.interactions, marked)
            choices = Choices.of(choices.users, choices.items, trained, choices.history)
            held_out = HeldOutChoices.of(choices, relevant, self.validation_metric, rng)
        options, w0 = self._options(), np.zeros(1) if call.is_first else None
        visited = to_visit(choices)
        some = choices.features_of(visited)
        scorers = self._scorers_for(call, options, choices.users.n_features, w0, rng, some, touched, undo)
        if call.is_first and not call.is_batch and self._is_cosine:
            start_spectrally(scorers[0], choices, rng)
        return Problem(
            data=choices,
            visited=visited,
            scorers=scorers,
            options=options,
            schedule=self._schedule(call),
            guard=self._guard(self._solver.typical_loss(choices.items.n_rows)),
            rng=rng,
            held_out=held_out,
            touched=touched,
        )

    def _show_validation(self, value: float) -> str:
        return f"{self.validation_metric} {value:.4f}"

    def _check_learned_target(self) -> None:
        if len(self._scorers) != 1:
            raise ValueError(f"a ranker with {len(self._scorers)} scorers")
        if not is_real(0, open_at_low=True)(getattr(self, "unobserved_weight_", 1.0)):
            raise ValueError(f"a weight of pairs of {self.unobserved_weight_!r}")

    @property
    def _format_version(self) -> int:
        if hasattr(self, "n_items_in_"):
            return 4
        return 3 if self._similarity.temperature is not None else super()._format_version

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        meta, arrays = super()._to_state()
        return meta | {"temperature": self._similarity.temperature}, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self:
        # Earlier versions had the inner product alone, and 100 epochs.
        earlier = {} if "similarity" in meta["params"] else {"similarity": "dot"}
        model = super()._from_state(meta | {"params": earlier | meta["params"]}, arrays)
        temperature = meta.get("temperature")
        if temperature is not None and not (isinstance(temperature, float) and 0 < temperature < np.inf):
            raise ValueError(f"a temperature of {temperature!r}")
        model.temperature_ = temperature
        model._suits_cosine = temperature is not None
        return model
