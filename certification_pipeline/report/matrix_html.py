"""``docs/matrix.html``: the published matrix for people, as one file that fetches nothing.

The same records as the Markdown pages and no clock, so that the same records give the same bytes. That
evidence has expired since is the inline script's matter, which looks at the reader's clock; without it each
row still says until when it counts. As in ``report/html.py`` everything is escaped, and the
Content-Security-Policy names the one script by its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Template

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.report.matrix_rows import engine_card, route_rows, strategies, system_rows
from certification_pipeline.report.tally import SYMBOL, VERDICT, WORD, WORST_FIRST
from certification_pipeline.report.visible import short
from certification_pipeline.templating import environment, inlined

MATRIX = "matrix.html"
_TEMPLATES = Path(__file__).parent / "templates"


def matrix_html(records: Sequence[PublishedRecord]) -> str:
    """The whole page."""
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
        **inlined(_TEMPLATES, "matrix.js", ("report.css", "matrix.css"))._asdict(),
    )


@cache
def _template() -> Template:
    made = environment(_TEMPLATES)
    made.filters["visible"] = lambda text: short(str(text))
    made.filters["arrow"] = lambda route: str(route).replace("_to_", " → ")
    made.filters["day"] = lambda moment: moment.date().isoformat() if moment else "–"
    made.filters["iso"] = _iso
    return made.get_template("matrix.html.j2")


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
