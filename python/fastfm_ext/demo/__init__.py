"""Demo in the browser: search items, like some, and see at once what a recommender makes of it, and why."""
