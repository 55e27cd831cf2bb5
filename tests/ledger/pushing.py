"""Push, pull and where both stand, with a signature."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.evidence.stores.remote import Conditions
from certification_pipeline.gates.transfer.pull import Pulled, pull
from certification_pipeline.gates.transfer.push import Pushed, push
from certification_pipeline.gates.transfer.status import Standing, status
from tests.evidence.builders import ENGINE
from tests.ledger.chains import Pen

BOTH = Conditions(create=True, replace=True)
PEN = Pen()


def pushed(root: Path, remote: DirectoryStore) -> Pushed:
    return push(EvidenceStore(root), remote, ENGINE, BOTH)


def pulled(remote: DirectoryStore, root: Path, **options: object) -> Pulled:
    return pull(remote, EvidenceStore(root), ENGINE, **options)  # type: ignore[arg-type]


def standing(root: Path, remote: DirectoryStore) -> Standing:
    return status(EvidenceStore(root), remote, ENGINE).standing
