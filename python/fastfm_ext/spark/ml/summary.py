"""Summaries of a classification: what `pyspark.ml`'s summaries say, worked out by Spark without its Java classes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import Float64
from fastfm_ext.spark.reading import check_is_numeric, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class ClassificationSummary:
    """How well a model of two classes does on labeled rows.

    Parameters
    ----------
    model : FMClassificationModel
    dataset : DataFrame
        With its label, and its weight if it has one.
    """

    def __init__(self, model: Any, dataset: DataFrame) -> None:
        self.predictions: DataFrame = model.transform(dataset)
        self.predictionCol: str = model.getPredictionCol()
        self.labelCol: str = model.getLabelCol()
        self.scoreCol: str = model.getProbabilityCol() or model.getRawPredictionCol()
        weight = model._given("weightCol")
        self.weightCol: str = weight if weight in dataset.columns else "weight"
        self._weight = weight if weight in dataset.columns else None
        check_is_numeric(dataset, self.labelCol)

    # --- of classes --------------------------------------------------------------------------------------------------

    @cached_property
    def _confusion(self) -> Float64:
        """Weights of the rows by label and prediction, (2, 2)."""
        from pyspark.sql import functions

        columns = [functions.col(quoted(name)).cast("int") for name in (self.labelCol, self.predictionCol)]
        counts = self.predictions.groupBy(columns[0].alias("label"), columns[1].alias("predicted"))
        confusion = np.zeros((2, 2))
        for label, predicted, weight in counts.agg(functions.sum(self._weights()).alias("weight")).collect():
            confusion[label, predicted] = weight
        return confusion

    def _weights(self) -> Any:
        from pyspark.sql import functions

        return functions.lit(1.0) if self._weight is None else functions.col(quoted(self._weight)).cast("double")

    @property
    def labels(self) -> list[float]:
        """The labels, in rising order."""
        return [0.0, 1.0]

    @property
    def accuracy(self) -> float:
        """Share of the rows whose class is predicted."""
        return float(np.trace(self._confusion) / self._confusion.sum())

    @property
    def truePositiveRateByLabel(self) -> list[float]:
        """Share of the rows of each label whose class is predicted."""
        return self.recallByLabel

    @property
    def falsePositiveRateByLabel(self) -> list[float]:
        """Share of the rows of other labels for which each label is predicted."""
        others = self._confusion.sum(axis=1)[::-1]
        wrong = self._confusion[[1, 0], [0, 1]]
        return _shares(wrong, others)

    @property
    def precisionByLabel(self) -> list[float]:
        """Share of the rows for which each label is predicted that have it."""
        return _shares(np.diag(self._confusion), self._confusion.sum(axis=0))

    @property
    def recallByLabel(self) -> list[float]:
        """Share of the rows of each label for which it is predicted."""
        return _shares(np.diag(self._confusion), self._confusion.sum(axis=1))

    def fMeasureByLabel(self, beta: float = 1.0) -> list[float]:
        """Return the F measure of each label.

        Parameters
        ----------
        beta : float, default=1.0
            How many times as much recall counts as precision.

        Returns
        -------
        list of float
        """
        precision, recall = np.array(self.precisionByLabel), np.array(self.recallByLabel)
        return _shares((1 + beta**2) * precision * recall, beta**2 * precision + recall)

    def _weighted(self, by_label: list[float]) -> float:
        shares = self._confusion.sum(axis=1) / self._confusion.sum()
        return float(shares @ np.array(by_label))

    @property
    def weightedTruePositiveRate(self) -> float:
        """Mean of `truePositiveRateByLabel`, weighted by how frequent labels are."""
        return self._weighted(self.truePositiveRateByLabel)

    @property
    def weightedFalsePositiveRate(self) -> float:
        """Mean of `falsePositiveRateByLabel`, weighted by how frequent labels are."""
        return self._weighted(self.falsePositiveRateByLabel)

    @property
    def weightedRecall(self) -> float:
        """Mean of `recallByLabel`, weighted by how frequent labels are."""
        return self._weighted(self.recallByLabel)

    @property
    def weightedPrecision(self) -> float:
        """Mean of `precisionByLabel`, weighted by how frequent labels are."""
        return self._weighted(self.precisionByLabel)

    def weightedFMeasure(self, beta: float = 1.0) -> float:
        """Return the mean of `fMeasureByLabel`, weighted by how frequent labels are.

        Parameters
        ----------
        beta : float, default=1.0

        Returns
        -------
        float
        """
        return self._weighted(self.fMeasureByLabel(beta))

    # --- of thresholds -----------------------------------------------------------------------------------------------

    @cached_property
    def _by_threshold(self) -> tuple[Float64, Float64, Float64]:
        """The different scores of the class 1 from the largest on, and the weights of both labels from there up."""
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions

        score = vector_to_array(functions.col(quoted(self.scoreCol)))[1].alias("score")
        label = functions.col(quoted(self.labelCol)).cast("double")
        rows = self.predictions.select(score, label.alias("label"), self._weights().alias("weight"))
        sums = rows.groupBy("score").agg(
            functions.sum(functions.col("weight") * functions.col("label")).alias("positive"),
            functions.sum("weight").alias("both"),
        )
        table = sums.orderBy(functions.desc("score")).toArrow()
        scores, positive, both = (table[name].to_numpy() for name in ("score", "positive", "both"))
        return scores, np.cumsum(positive), np.cumsum(both - positive)

    def _frame(self, **columns: Float64) -> DataFrame:
        import pyarrow as pa

        return self.predictions.sparkSession.createDataFrame(pa.table(columns))

    @cached_property
    def _roc(self) -> tuple[Float64, Float64]:
        _, positive, negative = self._by_threshold
        rates = (np.concatenate([[0.0], sums / max(sums[-1], 1e-300), [1.0]]) for sums in (negative, positive))
        false, true = rates
        return false, true

    @property
    def roc(self) -> DataFrame:
        """The ROC curve: columns "FPR" and "TPR", from (0, 0) to (1, 1)."""
        false, true = self._roc
        return self._frame(FPR=false, TPR=true)

    @property
    def areaUnderROC(self) -> float:
        """Area under the ROC curve."""
        false, true = self._roc
        return float(np.trapezoid(true, false))

    @property
    def pr(self) -> DataFrame:
        """The curve of precision against recall: columns "recall" and "precision", from recall 0 on."""
        _, precision, recall = self._rates
        first = precision[:1]
        return self._frame(recall=np.concatenate([[0.0], recall]), precision=np.concatenate([first, precision]))

    @property
    def _rates(self) -> tuple[Float64, Float64, Float64]:
        thresholds, positive, negative = self._by_threshold
        return thresholds, positive / (positive + negative), positive / max(positive[-1], 1e-300)

    @property
    def fMeasureByThreshold(self) -> DataFrame:
        """The F measure for each threshold of the probability: columns "threshold" and "F-Measure"."""
        thresholds, precision, recall = self._rates
        f = np.array(_shares(2 * precision * recall, precision + recall))
        return self._frame(**{"threshold": thresholds, "F-Measure": f})

    @property
    def precisionByThreshold(self) -> DataFrame:
        """The precision for each threshold of the probability: columns "threshold" and "precision"."""
        thresholds, precision, _ = self._rates
        return self._frame(threshold=thresholds, precision=precision)

    @property
    def recallByThreshold(self) -> DataFrame:
        """The recall for each threshold of the probability: columns "threshold" and "recall"."""
        thresholds, _, recall = self._rates
        return self._frame(threshold=thresholds, recall=recall)


class TrainingSummary(ClassificationSummary):
    """How training went, and how well the model does on the rows that it was trained on."""

    def __init__(self, model: Any, dataset: DataFrame) -> None:
        super().__init__(model, dataset)
        self._history = model.history

    @property
    def objectiveHistory(self) -> list[float]:
        """The mean loss of each epoch, each row before its own step."""
        return list(self._history.get("train_loss", []))

    @property
    def totalIterations(self) -> int:
        """Epochs."""
        return len(self.objectiveHistory)


def _shares(parts: Float64, wholes: Float64) -> list[float]:
    """Return quotients, 0 where there is nothing to divide by."""
    quotients = np.divide(parts, wholes, out=np.zeros(len(parts)), where=np.asarray(wholes) > 0)
    return [float(quotient) for quotient in quotients]
