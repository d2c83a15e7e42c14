"""`FMEncoder` as an Estimator of `pyspark.ml`, for Pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pyspark.ml.base import Estimator, Model
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasOutputCol
from pyspark.ml.util import (
    DefaultParamsReader,
    DefaultParamsWriter,
    MLReader,
)
from sklearn.utils.validation import check_is_fitted

from fastfm_ext.encoding import encoder as one_machine
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.declare import checked_specs, spec_from_meta, spec_to_meta
from fastfm_ext.encoding.sides import GROUPS
from fastfm_ext.spark.encoding.apply import encode
from fastfm_ext.spark.encoding.fit import fit_encoder
from fastfm_ext.spark.ml.saving import EstimatorWriter, SavedAsModelFile, SavedByParams, checked_metadata


def _list_param(name: str, doc: str) -> Any:
    def checked(value: Any) -> list[str | ColumnSpec]:
        checked_specs(name, value)
        return list(value)

    return Param(Params._dummy(), name, doc, typeConverter=checked)


class _EncoderParams(HasOutputCol):
    """Parameters of the encoder and its model."""

    keptCols = Param(
        Params._dummy(),
        "keptCols",
        "columns that transform keeps beside the vectors; all by default",
        typeConverter=TypeConverters.toListString,
    )


class EncoderWriter(EstimatorWriter):
    """Writer of an encoder's Params, the specs of columns among them."""

    def saveImpl(self, path: str) -> None:
        """Write the Params, with specs as JSON."""
        values = {param.name: value for param, value in self.instance._paramMap.items()}
        for group in GROUPS:
            if group in values:
                values[group] = [spec_to_meta(spec) for spec in checked_specs(group, values[group])]
        DefaultParamsWriter.saveMetadata(self.instance, path, self.sparkSession, paramMap=values)


class EncoderReader(MLReader):
    """Reader of an encoder.

    Parameters
    ----------
    cls : type
        The class of the encoder.
    """

    def __init__(self, cls: type[Any]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        """Return the encoder at a path.

        Raises
        ------
        ValueError
            For a path that holds something else.
        """
        metadata = checked_metadata(path, self.sparkSession, self.cls)
        params = metadata["paramMap"]
        params |= {group: [spec_from_meta(meta) for meta in params[group]] for group in GROUPS if group in params}
        encoder = self.cls()
        encoder._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(encoder, metadata)
        return encoder


class FMEncoder(_EncoderParams, SavedByParams, Estimator):
    """Encode the columns of a Spark DataFrame as features of users, items and their context.

    What `fastfm_ext.FMEncoder` is on one machine, with the same specs: Spark counts the values, and the encoder that
    comes out is that of one machine.

    Parameters
    ----------
    columns : list of column specs, optional
        Columns of a table without users and items. A string is a categorical column; for others see
        `fastfm_ext.encoding`. Without any list, all columns are encoded by what they hold: leave out the label then.
    user, item, context : list of column specs, optional
        In place of `columns`.
    outputCol : str, default="features"
        Column of sparse vectors that `transform` appends.
    keptCols : list of str, optional
        Columns that `transform` keeps beside it, such as the label; all by default. Each column that is kept travels to
        Python and back.

    Raises
    ------
    TypeError
        If something is no list of specs; from `fit`, for a column of a type that its spec cannot read.
    ValueError
        From `fit`, for a DataFrame without rows or without columns to encode, and for a column that is not there.

    See Also
    --------
    fastfm_ext.FMEncoder : The encoder of one machine.

    Examples
    --------
    >>> from fastfm_ext.encoding import numeric
    >>> from fastfm_ext.spark import FMEncoder
    >>> frame = spark.createDataFrame([("ann", 20), ("bob", 40)], ["user", "age"])
    >>> model = FMEncoder(["user", numeric("age")]).fit(frame)
    >>> model.to_local().get_feature_names_out().tolist()
    ['user=ann', 'user=bob', 'age']
    """

    columns = _list_param("columns", "columns of a table without users and items")
    user = _list_param("user", "columns that describe the user")
    item = _list_param("item", "columns that describe the item")
    context = _list_param("context", "columns that describe the situation")

    def __init__(
        self,
        columns: Sequence[str | ColumnSpec] | None = None,
        *,
        user: Sequence[str | ColumnSpec] | None = None,
        item: Sequence[str | ColumnSpec] | None = None,
        context: Sequence[str | ColumnSpec] | None = None,
        outputCol: str = "features",
        keptCols: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(outputCol="features")
        self.setParams(columns, user=user, item=item, context=context, outputCol=outputCol, keptCols=keptCols)

    def setParams(
        self,
        columns: Sequence[str | ColumnSpec] | None = None,
        *,
        user: Sequence[str | ColumnSpec] | None = None,
        item: Sequence[str | ColumnSpec] | None = None,
        context: Sequence[str | ColumnSpec] | None = None,
        outputCol: str | None = None,
        keptCols: Sequence[str] | None = None,
    ) -> Self:
        """Set parameters; those that are None stay as they are.

        Parameters
        ----------
        columns, user, item, context : list of column specs, optional
        outputCol : str, optional
        keptCols : list of str, optional
            As for the class.

        Returns
        -------
        FMEncoder
            This encoder.

        Raises
        ------
        TypeError
            If something is no list of specs.
        """
        given = {"columns": columns, "user": user, "item": item, "context": context}
        given |= {"outputCol": outputCol, "keptCols": keptCols}
        self._set(**{name: value for name, value in given.items() if value is not None})
        return self

    def setOutputCol(self, value: str) -> Self:
        """Set the name of the column that `transform` appends.

        Parameters
        ----------
        value : str

        Returns
        -------
        FMEncoder
            This encoder.
        """
        self._set(outputCol=value)
        return self

    _writer = EncoderWriter
    _reader = EncoderReader

    def _fit(self, dataset: Any) -> FMEncoderModel:
        lists = {group: self.getOrDefault(group) for group in GROUPS if self.isDefined(group)}
        encoder = fit_encoder(dataset, one_machine.FMEncoder(**lists))
        model = FMEncoderModel(encoder)
        model._resetUid(self.uid)
        copied: FMEncoderModel = self._copyValues(model)
        return copied


class FMEncoderModel(_EncoderParams, SavedAsModelFile, Model):
    """Fitted encoder of Spark DataFrames: `transform` appends a column of sparse vectors.

    Made by `FMEncoder.fit`, `load` and `from_local`.

    Parameters
    ----------
    encoder : fastfm_ext.FMEncoder
        Fitted, on Spark or on one machine.
    outputCol : str, default="features"
        Column of sparse vectors that `transform` appends.

    Attributes
    ----------
    numFeatures : int
        Size of the vectors.

    Raises
    ------
    TypeError
        For an encoder of another class.
    ValueError
        From `transform`, for a column that is not there, and for an `outputCol` that is there already.
    sklearn.exceptions.NotFittedError
        If the encoder is not fitted.

    See Also
    --------
    FMEncoder : How it is fitted on Spark.

    Examples
    --------
    >>> import fastfm_ext
    >>> from fastfm_ext.spark import FMEncoderModel
    >>> local = fastfm_ext.FMEncoder(["user", "color"]).fit(
    ...     {"user": ["ann", "bob"], "color": ["red", "blue"]}
    ... )
    >>> model = FMEncoderModel.from_local(local)
    >>> frame = spark.createDataFrame([("bob", "red")], ["user", "color"])
    >>> model.transform(frame).first().features
    SparseVector(4, {1: 1.0, 3: 1.0})
    """

    _saved_as = "encoder"

    def __init__(self, encoder: one_machine.FMEncoder, outputCol: str = "features") -> None:
        super().__init__()
        if not isinstance(encoder, one_machine.FMEncoder):
            raise TypeError(f"encoder must be a fastfm_ext.FMEncoder, got {type(encoder).__name__}")
        check_is_fitted(encoder, "fields_")
        self._encoder = encoder
        self._setDefault(outputCol="features")
        self._set(outputCol=outputCol)

    @property
    def numFeatures(self) -> int:
        """Size of the vectors."""
        return self._encoder.n_features_out_

    def setOutputCol(self, value: str) -> Self:
        """Set the name of the column that `transform` appends.

        Parameters
        ----------
        value : str

        Returns
        -------
        FMEncoderModel
            This model.
        """
        self._set(outputCol=value)
        return self

    def to_local(self) -> one_machine.FMEncoder:
        """Return the encoder of one machine, such as to serve with, or to name the features.

        Returns
        -------
        fastfm_ext.FMEncoder
            The one inside, not a copy.
        """
        return self._encoder

    @classmethod
    def from_local(cls, encoder: one_machine.FMEncoder, outputCol: str = "features") -> FMEncoderModel:
        """Wrap an encoder that was fitted on one machine.

        Parameters
        ----------
        encoder : fastfm_ext.FMEncoder
        outputCol : str, default="features"

        Returns
        -------
        FMEncoderModel

        Raises
        ------
        TypeError
            For an encoder of another class.
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        """
        return cls(encoder, outputCol)

    def _transform(self, dataset: Any) -> Any:
        kept = self.getOrDefault(self.keptCols) if self.isDefined(self.keptCols) else None
        return encode(dataset, self._encoder, self.getOutputCol(), kept)
