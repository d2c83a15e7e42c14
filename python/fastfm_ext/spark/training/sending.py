"""Parameters on their way from the driver to the workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.models import Fields, ModelSpec
from fastfm_ext._engine.parameters import Parameters, aligned_empty

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# From this share of the features on, all travel.
LEAST_SHARE_OF_ALL = 0.5


@dataclass(frozen=True)
class _Touched:
    """Records of some features, and the tables that have no features; see `Parameters.part`."""

    n_factors: int
    model: ModelSpec
    fields: Fields
    shapes: Mapping[str, tuple[int, ...]]
    features: NDArray[np.intp]
    records: Mapping[str, Float32]

    @classmethod
    def of(cls, params: Parameters, features: NDArray[np.intp]) -> _Touched:
        shapes = {name: records.shape for name, records in params.tables.items()}
        return cls(params.n_factors, params.model, params.fields, shapes, features, params.part(features))

    def whole(self) -> Parameters:
        """Return parameters of all features, 0 for those that stayed behind."""
        tables = {name: aligned_empty(shape) for name, shape in self.shapes.items()}
        for records in tables.values():
            records[...] = 0.0
        params = Parameters(tables, self.n_factors, self.model, self.fields)
        params.put(self.features, self.records)
        return params


class SentParameters:
    """Parameters that workers read: a broadcast variable, or under Spark Connect a part of the function itself.

    Features that no row has stay behind where they are many; their parameters are 0 in the workers, as they are at the
    driver.

    Spark sends a broadcast variable once to each executor, and there one worker after the other reads it. Spark Connect
    has none: the function travels with all that it holds, in one message, which servers take up to 128 MB by default
    (``spark.connect.grpc.maxInboundMessageSize``).

    Parameters
    ----------
    session : SparkSession
    scorers : list of Parameters
    features : ndarray of shape (n_touched,)
        Features that rows have.
    """

    def __init__(self, session: SparkSession, scorers: list[Parameters], features: NDArray[np.intp]) -> None:
        from pyspark.errors import PySparkException

        sent: list[Any] = list(scorers)
        if len(features) < LEAST_SHARE_OF_ALL * scorers[0].n_features:
            sent = [_Touched.of(params, features) for params in scorers]
        self._sent: list[Any] | None = sent
        self._broadcast: Any = None
        try:
            context = session.sparkContext
        except (AttributeError, PySparkException):
            return
        self._broadcast = context.broadcast(sent)
        self._sent = None

    @cached_property
    def scorers(self) -> list[Parameters]:
        """The parameters, in a worker."""
        sent = self._broadcast.value if self._sent is None else self._sent
        return [params.whole() if isinstance(params, _Touched) else params for params in sent]

    def forget(self) -> None:
        """Let Spark forget them, once no job needs them any more."""
        if self._broadcast is not None:
            self._broadcast.destroy()
