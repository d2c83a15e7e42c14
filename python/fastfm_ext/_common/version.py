"""Version of the package, which `pyproject.toml` reads here: to look it up among what is installed takes 10 ms."""

VERSION = "0.1.0"
