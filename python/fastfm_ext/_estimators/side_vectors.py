"""Vectors of users and items of field-aware models, whose sides are known by their fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfm_ext._common.arrays import AnyArray, Float32
from fastfm_ext._common.checks import public_name
from fastfm_ext._common.threads import n_threads_of
from fastfm_ext._engine import field_vectors
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.vectors import PooledRows, VectorsMixin, check_single_score
from fastfm_ext._validation.matrices import check_no_overflow, to_csr
from fastfm_ext._validation.quick_checks import check_fitted

VectorsOf = Callable[[Csr, Parameters, NDArray[np.integer]], Float32]


class SideVectors(VectorsMixin):
    """`user_vector`, `item_vector` and `user_bias` of a model that asks which field a feature belongs to."""

    item_fields: ArrayLike | None
    normalize: bool
    _item_fields_of_rows: NDArray[np.integer] | None = None

    @property
    def field_names_(self) -> AnyArray:
        """Fields as `fields` names them, ascending, (n_fields,)."""
        raise NotImplementedError

    @property
    def _given_item_fields(self) -> Any:
        """The names of the fields of items, that the user or the encoder has given; nothing if they are not known."""
        given = self._item_fields_of_rows if self.item_fields is None else self.item_fields
        return () if given is None else given

    def _item_field_numbers(self) -> NDArray[np.integer]:
        """Return the fields of items, as places in `field_names_`: those that the user named, or the encoder's.

        Raises
        ------
        ValueError
            If nobody said which they are, or for one that the model does not have.
        """
        given = self._given_item_fields
        if not np.size(given):
            raise ValueError(
                f"{public_name(type(self))} needs to know which fields are those of items: name them, as in "
                f"model.set_params(item_fields={[self.field_names_[-1].item()]!r}), or train on rows of an FMEncoder "
                "with item=[...]."
            )
        wanted = np.atleast_1d(np.asarray(given))
        unknown = [name for name in wanted.tolist() if name not in self.field_names_.tolist()]
        if unknown:
            raise ValueError(
                f"item_fields holds {unknown[0]!r}, and the fields of the model are {self.field_names_.tolist()}."
            )
        return np.flatnonzero(np.isin(self.field_names_, wanted))

    def _pool_users(self, X: Any) -> PooledRows:
        return self._pool_side(X, field_vectors.user_vectors)

    def _pool_items(self, X: Any) -> PooledRows:
        return self._pool_side(X, field_vectors.item_vectors)

    def _pool_side(self, X: Any, vectors_of: VectorsOf) -> PooledRows:
        model = self._as_it_is()
        check_fitted(model)
        check_single_score(model._scorers)
        if model.normalize:
            raise ValueError(
                "user and item vectors need scores that are sums of the user's and the item's terms, and "
                "normalize=True scales each row by the length of both; train with normalize=False to rank by vectors."
            )
        items, units = model._item_field_numbers(), model._units
        rows = to_csr(model, X)
        with model._scorers.access.reading():
            params = model._scorers[0]
            if len(units.centers):  # parameters for values as they are
                w0, w = params.tables["w0"].copy(), params.tables["w"].copy()
                w0[0, 0, 0], w[:, 0, 0] = units.centers.w0(params), units.centers.w(params)
                params = replace(params, tables=params.tables | {"w0": w0, "w": w})
            vectors = vectors_of(rows, params, items)
            own = field_vectors.own_scores(rows, params, n_threads_of(model.n_jobs))
            w0 = np.float32(params.w0 + units.score_offset)
        check_no_overflow(own, rows, "score")
        check_no_overflow(vectors, rows, "vector")
        return PooledRows(own, vectors, units.with_target_center(w0 + own))
