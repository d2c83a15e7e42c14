"""Numerical derivatives, to check gradients against."""


def central_difference(f, at, h=1e-3):
    """Derivative of f by the fourth-order central difference, error O(h^4)."""
    return (f(at - 2 * h) - 8 * f(at - h) + 8 * f(at + h) - f(at + 2 * h)) / (12 * h)
