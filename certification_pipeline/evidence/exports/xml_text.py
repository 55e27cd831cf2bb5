"""Any text as text that may stand in an XML 1.0 document."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Everything but the production ``Char`` (https://www.w3.org/TR/xml/#charsets), lone surrogates included."""
_BREAKS = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;", '"': "&quot;"}


def xml_text(text: str) -> str:
    """``text`` for an element's content; what XML cannot hold is spelt ``\\x00``."""
    # A bare CR would be read back as LF.
    return escape(legal(text), {"\r": "&#13;"})


def xml_attribute(text: str) -> str:
    """``text`` in double quotes; line breaks survive the normalization of attributes."""
    return f'"{escape(legal(text), _BREAKS)}"'


def legal(text: str) -> str:
    """``text`` with every character XML 1.0 does not have spelt out."""
    return _ILLEGAL.sub(lambda found: _spelt(ord(found[0])), text)


def _spelt(code: int) -> str:
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004
