"""Draws how honest probabilities are: one panel a language, what was said against what was seen, as an SVG file.

The file carries its own colours for light and dark pages and no script.
"""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from moderation.scoring.metrics import Bin, calibration_error

_SIDE = 240
_LEFT, _TOP, _GAP = 48, 44, 56
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.axis{stroke:#888;fill:none}.ideal{stroke:#888;stroke-dasharray:4 4}"
    ".line{stroke:#0b5cad;stroke-width:2;fill:none}.dot{fill:#0b5cad;fill-opacity:.75}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.line{stroke:#7db7ff}.dot{fill:#7db7ff}}"
)


def draw(panels: Mapping[str, Sequence[Bin]], title: str) -> str:
    """An SVG of reliability plots; `panels` maps a caption to the bins. A dot's area grows with its comments."""
    width = _LEFT + len(panels) * (_SIDE + _GAP)
    height = _TOP + _SIDE + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(_told(panels))}</desc><style>{_STYLE}</style>',
    ]
    for number, (caption, bins) in enumerate(panels.items()):
        parts.extend(_panel(_LEFT + number * (_SIDE + _GAP), caption, bins))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _told(panels: Mapping[str, Sequence[Bin]]) -> str:
    return " ".join(
        f"{caption}: " + ", ".join(f"{one.said:.2f} said, {one.seen:.2f} bad" for one in bins) + "."
        for caption, bins in panels.items()
    )


def _panel(left: int, caption: str, bins: Sequence[Bin]) -> list[str]:
    def at(said: float, seen: float) -> tuple[float, float]:
        return round(left + said * _SIDE, 1), round(_TOP + (1 - seen) * _SIDE, 1)

    bottom, right = _TOP + _SIDE, left + _SIDE
    error = calibration_error(bins)
    total = sum(one.count for one in bins)
    parts = [
        f'<text x="{left}" y="18">{escape(caption)}</text>',
        f'<text x="{left}" y="35">{total:,} comments, ECE {error:.3f}</text>',
        f'<rect class="axis" x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>',
        f'<path class="ideal" d="M{left} {bottom}L{right} {_TOP}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = at(share, share)
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{share:g}</text>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{share:g}</text>')
    parts.append(f'<text x="{left + _SIDE / 2}" y="{bottom + 38}" text-anchor="middle">probability said</text>')
    middle = _TOP + _SIDE / 2
    x = left - 32
    parts.append(
        f'<text x="{x}" y="{middle}" text-anchor="middle" transform="rotate(-90 {x} {middle})">share of bad ones</text>'
    )
    points = [at(one.said, one.seen) for one in bins]
    parts.append('<path class="line" d="M' + "L".join(f"{x} {y}" for x, y in points) + '"/>')
    most = max((one.count for one in bins), default=1)
    for one, (x, y) in zip(bins, points, strict=True):
        radius = 2.5 + 6.5 * (one.count / most) ** 0.5
        parts.append(f'<circle class="dot" cx="{x}" cy="{y}" r="{radius:.1f}"/>')
    return parts
