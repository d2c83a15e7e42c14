"""Base classes of the estimators: hyperparameters, fitted parameters, saved form."""
