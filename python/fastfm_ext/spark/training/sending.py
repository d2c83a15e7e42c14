"""Parameters on their way from the driver to the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastfm_ext._engine.parameters import Parameters

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SentParameters:
    """Parameters that workers read: a broadcast variable, or under Spark Connect a part of the function itself.

    Spark sends a broadcast variable once to each executor, and there one worker after the other reads it. Spark Connect
    has none: the function travels with all that it holds, in one message, which servers take up to 128 MB by default
    (``spark.connect.grpc.maxInboundMessageSize``).

    Parameters
    ----------
    session : SparkSession
    scorers : list of Parameters
    """

    def __init__(self, session: SparkSession, scorers: list[Parameters]) -> None:
        from pyspark.errors import PySparkException

        self._scorers: list[Parameters] | None = scorers
        self._broadcast: Any = None
        try:
            context = session.sparkContext
        except (AttributeError, PySparkException):
            return
        self._broadcast = context.broadcast(scorers)
        self._scorers = None

    @property
    def scorers(self) -> list[Parameters]:
        """The parameters, in a worker."""
        if self._scorers is not None:
            return self._scorers
        scorers: list[Parameters] = self._broadcast.value
        return scorers

    def forget(self) -> None:
        """Let Spark forget them, once no job needs them any more."""
        if self._broadcast is not None:
            self._broadcast.destroy()
