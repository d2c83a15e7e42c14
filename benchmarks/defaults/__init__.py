"""Search for default settings: on training and validation rows of several data sets."""
