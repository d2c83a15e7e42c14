"""Saved form of models: Spark's metadata, and a model file of this package in rows of bytes, all in Spark's storage."""

from __future__ import annotations

import io
from typing import Any, ClassVar, Self

from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReadable, MLReader, MLWritable, MLWriter

from fastfm_ext.model_io import load_model, save_model

# Bytes of the model file in one row: small enough for any storage, large enough for few rows.
PIECE_BYTES = 1 << 24
_FOLDER = "model"


class EstimatorWriter(DefaultParamsWriter):
    """Writer of an estimator's Params."""

    def save(self, path: str) -> None:
        """Write to a path; it may hold something else only after `overwrite`."""
        _save(self, path)


class ModelWriter(EstimatorWriter):
    """Writer of a model."""

    def saveImpl(self, path: str) -> None:
        """Write the Params, and the model file in pieces."""
        import pyarrow as pa

        super().saveImpl(path)
        file = io.BytesIO()
        save_model(file, **{self.instance._saved_as: self.instance.to_local()})
        content = file.getbuffer()
        pieces = [content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES)]
        numbers = pa.array(range(len(pieces)), type=pa.int32())
        table = pa.table({"piece": numbers, "content": pa.array(pieces, type=pa.binary())})
        self.sparkSession.createDataFrame(table).write.parquet(f"{path}/{_FOLDER}")


def _save(writer: Any, path: str) -> None:
    """Write what a writer writes; replace what is at the path, if it may."""
    if writer.shouldOverwrite:
        # Spark clears the path through Java, which Spark Connect has at the server.
        try:
            writer._handleOverwrite(path)
        except Exception as error:
            raise ValueError(
                f"cannot replace what is at {path!r}: Spark Connect does not delete files. Name another path, or "
                f"remove it before ({type(error).__name__}: {error})."
            ) from error
    writer.saveImpl(path)


class ModelReader(MLReader):
    """Reader of a model.

    Parameters
    ----------
    cls : type
        The class of the model.
    """

    def __init__(self, cls: type[Any]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        """Return the model at a path.

        Raises
        ------
        ValueError
            For a path that holds something else.
        ModelFileError
            For a damaged model file.
        """
        metadata = checked_metadata(path, self.sparkSession, self.cls)
        table = self.sparkSession.read.parquet(f"{path}/{_FOLDER}").orderBy("piece").toArrow()
        content = b"".join(piece.as_buffer() for piece in table.column("content"))
        model = self.cls(getattr(load_model(io.BytesIO(content)), self.cls._saved_as))
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model


def checked_metadata(path: str, session: Any, cls: type[Any]) -> dict[str, Any]:
    """Return the metadata at a path.

    Raises
    ------
    ValueError
        If it is that of another class.
    """
    metadata: dict[str, Any] = DefaultParamsReader.loadMetadata(path, session)
    wanted = f"{cls.__module__}.{cls.__name__}"
    if metadata["class"] != wanted:
        raise ValueError(f"{path!r} holds a {metadata['class']}, and not a {wanted}.")
    return metadata


class EstimatorReader(DefaultParamsReader):
    """Reader of an estimator's Params."""

    def load(self, path: str) -> Any:
        """Return the estimator at a path.

        Raises
        ------
        ValueError
            For a path that holds something else.
        """
        checked_metadata(path, self.sparkSession, self.cls)
        return super().load(path)


class _Saved(MLReadable, MLWritable):
    """What is saved by a writer and read by a reader of its own."""

    _writer: ClassVar[type[MLWriter]]
    _reader: ClassVar[type[Any]]

    def write(self) -> MLWriter:
        """Return the writer.

        Returns
        -------
        MLWriter
            `save` writes to a path, behind `overwrite` also where there is something.
        """
        return self._writer(self)

    @classmethod
    def read(cls) -> Any:
        """Return the reader.

        Returns
        -------
        MLReader
            `load` reads from a path.
        """
        return cls._reader(cls)


class SavedByParams(_Saved):
    """An estimator that is saved as its Params."""

    _writer = EstimatorWriter
    _reader = EstimatorReader


class SavedAsModelFile(_Saved):
    """A model that is saved as its Params and a model file."""

    _writer = ModelWriter
    _reader = ModelReader
    # The argument of `save_model` for what `to_local` returns.
    _saved_as: ClassVar[str] = "model"

    @classmethod
    def load(cls, path: str) -> Self:
        """Return the model that `save` has written.

        Parameters
        ----------
        path : str

        Returns
        -------
        FMRegressionModel or FMClassificationModel

        Raises
        ------
        ValueError
            For a path that holds something else.
        ModelFileError
            For a damaged model file.
        """
        model: Self = cls.read().load(path)
        return model
