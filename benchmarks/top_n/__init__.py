"""Quality of rankings by the protocols that others published results for: ours, and other libraries beside it."""
