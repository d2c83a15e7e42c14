"""The logo, the icon and the card that links to the site are shown with: `python docs/draw_logo.py` draws them again.

The squares are what a factorization machine of three features adds up: a weight for each on the diagonal, and a product
of two factor vectors for each pair above it.
"""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

STATIC = Path(__file__).parent / "static"
WEIGHT, PAIRS = "#e08214", {(0, 1): "#1b5e9c", (0, 2): "#7fb0dc", (1, 2): "#3f86c4"}
SIDE, GAP, ROUND = 18.0, 4.0, 4.0
WIDTH, HEIGHT, DPI = 1200, 630, 100  # pixels, as social networks ask for


def squares() -> list[tuple[float, float, str]]:
    """Return left, top and color of each square, in a box of 64 by 64."""
    start, step = (64 - 3 * SIDE - 2 * GAP) / 2, SIDE + GAP
    colors = {(i, i): WEIGHT for i in range(3)} | PAIRS
    return [(start + step * column, start + step * row, color) for (row, column), color in sorted(colors.items())]


def logo() -> str:
    """Return the logo as SVG."""
    parts = [
        f'<rect x="{left:g}" y="{top:g}" width="{SIDE:g}" height="{SIDE:g}" rx="{ROUND:g}" fill="{color}"/>'
        for left, top, color in squares()
    ]
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="fastfm-ext">'
    return "\n  ".join([head, *parts]) + "\n</svg>\n"


def card() -> Figure:
    """Return the card: the logo, the name, and what it is."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(HEIGHT, 0)
    ax.axis("off")
    scale, x, y = 4.6, 60.0, 168.0
    for left, top, color in squares():
        box = (x + scale * left, y + scale * top)
        style = f"round,pad=0,rounding_size={scale * ROUND}"
        ax.add_patch(FancyBboxPatch(box, scale * SIDE, scale * SIDE, boxstyle=style, color=color, linewidth=0))
    ax.text(400, 275, "fastfm-ext", fontsize=64, fontweight="bold", color="#111111")
    ax.text(404, 355, "Factorization machines for Python", fontsize=29, color="#333333")
    ax.text(404, 415, "train · rank · explain · serve", fontsize=25, color="#1b5e9c")
    return figure


if __name__ == "__main__":
    STATIC.mkdir(exist_ok=True)
    (STATIC / "logo.svg").write_text(logo(), encoding="utf-8")
    card().savefig(STATIC / "social-card.png", dpi=DPI, metadata={"Software": None})
