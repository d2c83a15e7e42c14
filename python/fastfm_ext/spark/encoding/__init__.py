"""Encoder of Spark DataFrames: `FMEncoder` fitted and applied where the rows are."""
