"""Training from streams: buffers, cache, checkpoints, reading ahead."""
