"""The compiled modules: kernels, tables, text."""
