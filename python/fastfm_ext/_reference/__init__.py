"""NumPy reference of each model, loss and solver, in the notation of the papers."""
