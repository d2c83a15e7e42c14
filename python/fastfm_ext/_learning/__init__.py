"""Training: samples, losses, the loop over epochs, solvers, streams."""
