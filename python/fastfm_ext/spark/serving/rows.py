"""Rows of users or items in a Spark DataFrame: an id, and features that are encoded already or not yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from fastfm_ext._common.checks import kind_of
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.encoding.sides import GROUPS_OF_SIDE, Side
from fastfm_ext.spark.encoding.types import check_readable, columns_named
from fastfm_ext.spark.reading import quoted, vectors_of
from fastfm_ext.spark.vectors import BadRowError, csr_of_vectors

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Names under which features that are encoded already, and the id, reach the workers.
_FEATURES = "features"
ID = "id"


@dataclass(frozen=True)
class SideReader:
    """What turns the rows of users or items into a matrix, in a worker.

    Attributes
    ----------
    n_features : int
    encoder : FMEncoder or None
        None where the rows have a column of vectors.
    side : {"user", "item"}
    """

    n_features: int
    encoder: FMEncoder | None
    side: Side

    def matrix(self, batch: Any) -> sparse.csr_array:
        """Return the rows of an Arrow batch, (n_rows, n_features).

        Raises
        ------
        ValueError
            For a vector that cannot be used.
        """
        if self.encoder is not None:
            return self.encoder.transform(batch, side=self.side)
        try:
            X = csr_of_vectors(batch.column(_FEATURES), self.n_features)
        except BadRowError as error:
            raise ValueError(f"{error.reason}; the id of the row: {batch.column(ID)[error.row].as_py()!r}.") from None
        data = np.ones(len(X.indices), dtype=np.float32) if X.data is None else X.data
        return sparse.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, self.n_features))


def side_columns(frame: DataFrame, id_column: str, features_column: str, reader: SideReader) -> list[Column]:
    """Return the columns that a reader needs: the id under the name `ID`, and the features or what they are made of.

    Raises
    ------
    TypeError
        If a column is of another type than is needed.
    ValueError
        If one is missing.
    """
    from pyspark.sql import functions

    columns_named(frame, [id_column])
    wanted = [functions.col(quoted(id_column)).alias(ID)]
    encoder, side = reader.encoder, reader.side
    if encoder is None:
        return [*wanted, vectors_of(frame, features_column)]
    if encoder.n_features_out_ != reader.n_features:
        raise ValueError(
            f"encoder has {encoder.n_features_out_} features and the model {reader.n_features}: pass the model's own "
            "encoder."
        )
    names = encoder._layout.columns_of(GROUPS_OF_SIDE[side])
    if not names:
        raise ValueError(f"encoder has no columns of the side {side!r}: list them as {side}=[...].")
    columns_named(frame, names)
    fields = zip(encoder._layout.groups, encoder.columns_, strict=True)
    for spec in (spec for group, spec in fields if group in GROUPS_OF_SIDE[side]):
        check_readable(frame, spec, spec.columns)
    if ID in names and id_column != ID:
        raise ValueError(f"the encoder reads a column {ID!r}, and the ids are in {id_column!r}: rename one of them.")
    return wanted + [functions.col(quoted(name)).alias(name) for name in names if name != ID]


def local_model(model: Any) -> Any:
    """Return the model of one machine that is, or is inside, this one.

    Raises
    ------
    TypeError
        If it has no vectors of users.
    """
    local = model.to_local() if hasattr(model, "to_local") else model
    if not hasattr(local, "user_vector") or not hasattr(local, "n_features_in_"):
        raise TypeError(f"model must be a fitted FMRegressor, FMClassifier or FMRanker, got {kind_of(model)}.")
    return local


def local_encoder(encoder: Any) -> FMEncoder | None:
    """Return the encoder of one machine that is, or is inside, this one; None for None.

    Raises
    ------
    TypeError
        If it is no encoder.
    """
    local = encoder.to_local() if hasattr(encoder, "to_local") else encoder
    if local is not None and not isinstance(local, FMEncoder):
        raise TypeError(f"encoder must be an FMEncoder, got {kind_of(encoder)}.")
    return local
