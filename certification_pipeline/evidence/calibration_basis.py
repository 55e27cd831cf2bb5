"""What a calibration is of, and where the newest of this very bench is kept: beside the releases.

``<root>/calibration/<basis>/`` holds one bench's calibration and every trial of it, so that a broken run can
be resumed and a narrowed one added to it.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from certification_pipeline.catalog.calibration import ENGINE, PlantedDefect, load_defects, scope_digest
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.calibration import Basis, Planted
from certification_pipeline.evidence.subject_dir import SubjectDir

_PACKAGE = Path(__file__).parents[1]
_NOT_THE_BENCH = ("harness/engines/", "harness/conformance/")
"""Other engines' drivers and the check of drivers judge nothing; what talks to an engine does."""
_YET_THE_BENCH = ("protocol.py", "session.py", "streams.py", "outcome.py", "environment.py")


def basis_of(catalog: Catalog) -> Basis:
    """This bench's, as installed here."""
    return Basis(
        scope=scope_digest(catalog, load_defects()),
        harness=_code_digest("harness"),
        reference=_code_digest("reference"),
    )


def planted(defects: dict[str, PlantedDefect]) -> tuple[Planted, ...]:
    """The calibration plan as it stands in the artifact."""
    return tuple(
        Planted(
            id=one.id,
            does=one.does,
            stands_for=one.stands_for,
            seen_in=one.seen_in,
            cells=one.cells,
            family=one.family,
            proof=one.proof,
        )
        for one in defects.values()
    )


def kept_in(root: Path, basis: Basis) -> SubjectDir:
    """Where that bench's calibration lies below an evidence root; it need not be there."""
    text = json.dumps(basis.model_dump(), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return SubjectDir(root.absolute() / layout.CALIBRATIONS / name, name, ENGINE)


@cache
def _code_digest(room: str) -> Digest:
    """Over path and content of every module of the room that can change a judgement."""
    digest = hashlib.sha256()
    for path in sorted((_PACKAGE / room).rglob("*.py")):
        relative = path.relative_to(_PACKAGE).as_posix()
        if relative.startswith(_NOT_THE_BENCH) and path.name not in _YET_THE_BENCH:
            continue
        digest.update(relative.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"sha256:{digest.hexdigest()}"
