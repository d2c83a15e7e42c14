"""Field-aware models for classification and regression, one file each; `fastfm_ext` has them by their names."""
