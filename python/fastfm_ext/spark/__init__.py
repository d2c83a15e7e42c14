"""Factorization machines on Spark: the estimators of `pyspark.ml`, trained and applied by the kernels of this package.

Needs the extra ``spark``.
"""
