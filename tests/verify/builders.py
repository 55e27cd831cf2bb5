"""A small evidence directory with everything that can lie in one: what the tests here then damage.

Plans come from the packaged catalogue and decisions from the real gates; only the cells were never run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.parts import parts_of, parts_text
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.benchmark_pin import PinnedBaseline, write_pin
from certification_pipeline.evidence.calibration_basis import kept_in
from certification_pipeline.evidence.canonical import render, seal, sha256
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import environment, producer, stamp
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.plan import build_plan
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.decide import Decided, decide
from certification_pipeline.gates.release_summary import verify_release_summary
from certification_pipeline.gates.seal import seal_pages
from certification_pipeline.gates.verify.evidence import Asked, verify_evidence
from certification_pipeline.gates.verify.result import VerifiedEvidence
from certification_pipeline.harness.services.provider import Availability
from certification_pipeline.pipeline.verify import planned_from
from tests.calibration.builders import BASIS, CLEAN, KILLS, calibrated
from tests.evidence.builders import START, SUBJECT, cell, row_judgement

CATALOG: Catalog = load_catalog()
PLANNED = planned_from(CATALOG)
SMALL = {
    "routes": ("postgres_to_sqlite",),
    "strategies": ("full_refresh", "incremental_merge"),
    "scenarios": ("batch.full_refresh", "incr.noop", "rec.two_phase_commit"),
}
"""What the plan is narrowed to: two cells that run, and some that nobody claims."""


def make_plan(
    release_id: str, *, minutes: float = 0, catalog: Catalog = CATALOG, **selection: Sequence[str]
) -> CertificationPlan:
    """Sealed ``minutes`` after :data:`START`."""
    return build_plan(
        catalog,
        SUBJECT.engine,
        "embedded",
        rows=100,
        seed=7,
        release_id=release_id,
        run_id="run-1",
        subject=SUBJECT,
        availability=dict.fromkeys(catalog.systems, Availability(ok=True, detail="")),
        producer=producer(),
        environment=environment(),
        created_at=START + timedelta(minutes=minutes),
        **selection,  # type: ignore[arg-type]
    )


def write_release(
    root: Path, release_id: str, *, lost: int = 0, minutes: float = 0, **selection: Sequence[str]
) -> SubjectDir:
    """Sealed, every cell recorded (the first one ``lost`` rows short), nothing decided yet."""
    return record(root, make_plan(release_id, minutes=minutes, **(selection or SMALL)), lost, minutes)


def record(
    root: Path, made: CertificationPlan, lost: int = 0, minutes: float = 0, catalog: Catalog = CATALOG
) -> SubjectDir:
    """As :func:`write_release`, of a plan that is there already."""
    release_id = made.release_id
    directory = EvidenceStore(root).release(release_id, SUBJECT.engine)
    parts = parts_text(parts_of(catalog, SUBJECT.engine))
    plan = directory.seal_plan(made, "# The plan\n", catalog=parts)
    running = [one for one in plan.cells if one.disposition == "run"]
    assert running
    for number, one in enumerate(running):
        short = lost if number == 0 else 0
        judged = (row_judgement(lost=short), row_judgement("load 2"))
        directory.write(cell(plan, one, judged, minutes=minutes + 10))
    EvidenceStore(root).set_latest(release_id)
    return directory


def decided(
    root: Path, release_id: str, *, signer: Signer | None = None, **options: object
) -> tuple[SubjectDir, Decided]:
    directory = write_release(root, release_id, **options)  # type: ignore[arg-type]
    return directory, decide(directory, "run-1", signer=signer)


def make_evidence(root: Path, signer: Signer | None = None) -> Path:
    """Two releases, the first decided twice, with pages; a publication, a pin and a calibration."""
    store = EvidenceStore(root)
    first, _ = decided(root, "r1", signer=signer)
    plan = first.read(first.plan_path, CertificationPlan)
    again = next(one for one in plan.cells if one.disposition == "run")
    first.write(cell(plan, again, run_id="run-2", minutes=20))
    decide(first, "run-2", signer=signer)
    second, made = decided(root, "r2", minutes=60, signer=signer)
    assert made.summary.passed
    publication(store, second)
    for release in ("r1", "r2"):
        place = store.release_path(release)
        place.joinpath("report.html").write_text(f"<!doctype html><title>{release}</title><p>green\n")
        place.joinpath("comparison.json").write_text('{\n  "ratio": 1.25\n}\n')
        place.joinpath("harness.log").write_text("what the bench said\n")
        seal_pages(ReleaseDir.of(store, release), signer)
    artefact = b"PK\x05\x06" + bytes(18)
    pin = PinnedBaseline(
        engine=SUBJECT.engine,
        version=SUBJECT.version,
        artifact_digest=SUBJECT.artifact_digest,
        sha256=sha256(artefact),
        release_id="r2",
        pinned_at=utc_now(),
    )
    write_pin(root, pin, artefact)
    keep_calibration(root)
    return root


def publication(store: EvidenceStore, directory: SubjectDir) -> Path:
    """What ``publish`` writes; of a release that is narrowed, as these are to be small, it writes none."""
    place = store.root / layout.PUBLISHED / f"{directory.engine}.json"
    now = verify_release_summary(directory, stamp("run-1"))
    write_atomically(place, seal(render(now, str(place)))[0])
    return place


def keep_calibration(root: Path) -> SubjectDir:
    directory = kept_in(root, BASIS)
    made = calibrated(*CLEAN, *KILLS).model_copy(update={"release_id": directory.release_id})
    directory.write(made, markdown(made))
    for trial in made.trials:
        name = f"{trial.defect or 'clean-001'}/{trial.cell.replace('/', '__')}.json"
        path = directory.path / "trials" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(trial.model_dump_json(indent=1).encode() + b"\n")
    return directory


def verified(root: Path, **options: object) -> VerifiedEvidence:
    asked = Asked(root=root, **({"planned": PLANNED, "part": True} | options))  # type: ignore[arg-type]
    return verify_evidence(asked)
