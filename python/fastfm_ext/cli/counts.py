"""Counts with their noun, for the lines that commands print."""


def counted(n: int, noun: str) -> str:
    """Return a number of things, such as "1 epoch" or "1,200 values"; the noun is that of one thing."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
