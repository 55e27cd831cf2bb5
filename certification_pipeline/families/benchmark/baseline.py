"""Which artefact is the baseline, and how it is run: given, pinned, or the subject itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.evidence.benchmark_pin import read_pin
from certification_pipeline.evidence.benchmark_samples import BaselineKind
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.families.benchmark.asked import Asked
from certification_pipeline.families.work import Work
from certification_pipeline.harness.engines.environment import PreparedEngine, prepare
from certification_pipeline.harness.engines.snapshot import restore


@dataclass(frozen=True)
class Chosen:
    """A baseline that is ready to be started."""

    prepared: PreparedEngine
    kind: BaselineKind
    sha256: str | None = None
    release_id: str | None = None


def choose(work: Work, asked: Asked, folder: Path) -> Chosen:
    """In this order: ``--baseline``, the pin in the evidence store, the subject's own clean artefact.

    Raises ``EngineUnavailable`` when it cannot be made ready, ``EvidenceError`` when the pin is damaged.
    """
    driver = work.shop.catalog.engine(work.engine).driver
    if asked.baseline == "self":
        return Chosen(prepare(work.engine, driver), BaselineKind.SELF)
    if asked.baseline is not None:
        path = Path(asked.baseline).absolute()
        data = path.read_bytes()
        if driver.script and path.suffix != ".zip":
            # A lock file is an artefact, too: it pins every package by hash.
            prepared = prepare(work.engine, driver.model_copy(update={"lock": str(path)}))
        else:
            prepared = restore(work.engine, driver, data, folder)
        return Chosen(prepared, BaselineKind.GIVEN, sha256(data))
    if pinned := read_pin(work.store.root, work.engine):
        pin, artefact = pinned
        prepared = restore(work.engine, driver, artefact, folder)
        return Chosen(prepared, BaselineKind.PINNED, pin.sha256, pin.release_id)
    return Chosen(prepare(work.engine, driver), BaselineKind.SELF)
