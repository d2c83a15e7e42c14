"""Arguments of users as arrays that the engine may trust, or errors that name the argument."""
