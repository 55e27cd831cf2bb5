"""Pages from templates: everything that is given is escaped, and a name that is not given is an error."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


def environment(folder: Path) -> Environment:
    """For the templates in ``folder``."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Inlined(NamedTuple):
    """What a page that fetches nothing holds itself. Its Content-Security-Policy names the script by hash."""

    script: Markup
    script_digest: str
    """SHA-256, in base64."""
    style: Markup


def inlined(folder: Path, script: str, styles: Iterable[str]) -> Inlined:
    """These files of the package, unescaped."""
    code = (folder / script).read_text(encoding="utf-8")
    style = "".join((folder / name).read_text(encoding="utf-8") for name in styles)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return Inlined(Markup(code), digest, Markup(style))  # noqa: S704
