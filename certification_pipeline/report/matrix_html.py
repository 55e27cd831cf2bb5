"""``docs/matrix.html``: the published matrix for people, as one file that fetches nothing.

The same records as the Markdown pages and no clock, so that the same records give the same bytes. That
evidence has expired since is the inline script's matter, which looks at the reader's clock; without it each
row still says until when it counts. As in ``report/html.py`` everything is escaped, and the
Content-Security-Policy names the one script by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.report.matrix_rows import engine_card, route_rows, strategies, system_rows
from certification_pipeline.report.tally import SYMBOL, VERDICT, WORD, WORST_FIRST
from certification_pipeline.report.visible import short

MATRIX = "matrix.html"
_TEMPLATES = Path(__file__).parent / "templates"
_STYLES = ("report.css", "matrix.css")


def matrix_html(records: Sequence[PublishedRecord]) -> str:
    """The whole page."""
    script = _TEMPLATES.joinpath("matrix.js").read_text(encoding="utf-8")
    style = "".join(_TEMPLATES.joinpath(name).read_text(encoding="utf-8") for name in _STYLES)
    columns = strategies(records)
    return _template().render(
        cards=[engine_card(record) for record in records],
        columns=columns,
        systems=[row for record in records for row in system_rows(record, columns)],
        routes=[row for record in records for row in route_rows(record)],
        symbol=SYMBOL,
        word=WORD,
        verdict=VERDICT,
        order=WORST_FIRST,
        passed=Outcome.PASSED,
        # Script and style are files of this package.
        script=Markup(script),  # noqa: S704
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(style),  # noqa: S704
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = lambda text: short(str(text))
    environment.filters["arrow"] = lambda route: str(route).replace("_to_", " → ")
    environment.filters["day"] = lambda moment: moment.date().isoformat() if moment else "–"
    environment.filters["iso"] = _iso
    return environment.get_template("matrix.html.j2")


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
