"""The table of planted defects in ``docs/calibration.md``: generated, and compared by a test.

``python -m certification_pipeline.report.calibration_table docs/calibration.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.catalog.calibration import PlantedDefect, load_defects

BEGIN, END = "<!-- generated: defects -->\n", "<!-- end of what is generated -->\n"


def defects_table() -> str:
    """One line a defect, in the order of the plan."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    yield "\n| defect | what it does | stands for | must be seen by |\n| --- | --- | --- | --- |\n"
    for defect in load_defects().values():
        seen = "".join(f" ({_link(text)})" for text in defect.seen_in)
        yield f"| `{defect.id}` | {defect.does} | {defect.stands_for}{seen} | {_by(defect)} |\n"
    yield "\n"


def _by(defect: PlantedDefect) -> str:
    if defect.family:
        return f"evidence family `{defect.family}`: `{defect.proof}`"
    return "<br>".join(f"`{cell}`" for cell in defect.cells)


def _link(text: str) -> str:
    name = text.rpartition("/")[2] if text.startswith("findings/") else text
    return f"[{name}]({text})" if text.startswith("findings/") else text


def with_table(page: str) -> str:
    """The page with the table as it is now. ``ValueError`` when it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {BEGIN!r} or {END!r}")
    return f"{before}{BEGIN}{defects_table()}{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text()))
