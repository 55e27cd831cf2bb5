"""A badge as an SVG in shields' flat style, with nothing fetched and no font needed to lay it out.

The box is as wide as Verdana at 11 px would be; ``textLength`` makes any other font fit. Colours carry white
text at a contrast of 4.5 to 1 or more (WCAG 2.2, 1.4.3) and mean nothing that the text does not say.
"""

from __future__ import annotations

from enum import StrEnum

from certification_pipeline.evidence.exports.xml_text import xml_attribute, xml_text


class Colour(StrEnum):
    """What a badge's right side is filled with."""

    GREEN = "#1a7f37"
    RED = "#cf222e"
    AMBER = "#9a6700"
    GREY = "#656d76"
    BLUE = "#0969da"
    """A fact without a verdict."""


_LABEL = "#444c56"
_PADDING = 6.0
_SIZE = 11
_EM = 2048

# Advance widths of Verdana in units of an em, for the characters from space to tilde.
_WIDTHS = (
    *(720, 806, 940, 1676, 1302, 2204, 1488, 550, 930, 930, 1302, 1676, 745, 930, 745, 930),
    *(1302,) * 10,
    *(930, 930, 1676, 1676, 1676, 1117, 2048),
    *(1400, 1404, 1430, 1578, 1295, 1177, 1588, 1539, 862, 931, 1419, 1140, 1726),
    *(1532, 1612, 1235, 1612, 1424, 1400, 1262, 1499, 1400, 2025, 1403, 1260, 1403),
    *(930, 930, 930, 1676, 1302, 1302),
    *(1230, 1276, 1067, 1276, 1220, 720, 1276, 1296, 562, 705, 1212, 562, 1992),
    *(1296, 1243, 1276, 1276, 874, 1067, 807, 1296, 1212, 1676, 1212, 1212, 1076),
    *(1300, 930, 1300, 1676),
)
_FIRST, _NARROW, _WIDE = 0x20, 1676, 2048
_LATIN = 0x2E80
"""From here on come scripts whose characters fill an em."""


def text_width(text: str) -> float:
    """Pixels that ``text`` takes at 11 px."""
    return sum(map(_advance, text)) * _SIZE / _EM


def _advance(char: str) -> int:
    at = ord(char) - _FIRST
    if 0 <= at < len(_WIDTHS):
        return _WIDTHS[at]
    return _WIDE if ord(char) >= _LATIN else _NARROW


def badge_svg(label: str, message: str, colour: Colour, title: str) -> str:
    """The whole file; ``title`` is what a pointer or a screen reader is told beyond label and message."""
    left, right = text_width(label), text_width(message)
    split = round(left + 2 * _PADDING)
    whole = split + round(right + 2 * _PADDING)
    name = f"{label}: {message}"
    spoken = f"{name}; {title}" if title else name
    # Pages embed many badges, and the first of an id counts: a clip is named by all it depends on, its width.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f"aria-label={xml_attribute(spoken)}>\n"
        f"  <title>{xml_text(spoken)}</title>\n"
        '  <linearGradient id="s" x2="0" y2="100%">'
        '<stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/>'
        "</linearGradient>\n"
        f'  <clipPath id="r{whole}"><rect width="{whole}" height="20" rx="3" fill="#fff"/></clipPath>\n'
        f'  <g clip-path="url(#r{whole})">'
        f'<rect width="{split}" height="20" fill="{_LABEL}"/>'
        f'<rect x="{split}" width="{whole - split}" height="20" fill="{colour.value}"/>'
        f'<rect width="{whole}" height="20" fill="url(#s)"/></g>\n'
        f'  <g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="{_SIZE}" '
        'text-rendering="geometricPrecision" aria-hidden="true">\n'
        f"{_text(label, _PADDING, left)}{_text(message, split + _PADDING, right)}"
        "  </g>\n</svg>\n"
    )


def _text(text: str, x: float, width: float) -> str:
    where = f'x="{x:g}" textLength="{width:.1f}"'
    return (
        f'    <text {where} y="15" fill="#010101" fill-opacity=".3">{xml_text(text)}</text>\n'
        f'    <text {where} y="14">{xml_text(text)}</text>\n'
    )
