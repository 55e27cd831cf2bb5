"""One subject's evidence of one release: writes whole files, reads nothing malformed.

It knows names, paths and formats; whether evidence proves anything is for the gates.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Artifact, Digest
from certification_pipeline.evidence.attempts import carry_attempts
from certification_pipeline.evidence.canonical import Long, parse, parse_long, render, seal, sha256
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError, Problem, ProblemKind
from certification_pipeline.evidence.files import (
    clean_temporaries,
    digest_no_follow,
    is_temporary,
    read_no_follow,
    resolve_inside,
    safe_segment,
    write_atomically,
)
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell, Selection

A = TypeVar("A", bound=Artifact)

LONGEST_CELL_ID = 200


class CellFile(NamedTuple):
    """What lies where a cell's evidence should be. ``planned`` is ``None`` for an unexpected file."""

    planned: PlannedCell | None
    path: str
    content: CellEvidence | Problem
    sha256: Digest | None


class SubjectDir:
    """One subject's evidence of one release. Safe to share between threads that write different cells."""

    def __init__(self, path: Path, release_id: str, engine: str) -> None:
        self.path = path.absolute()
        self.release_id = safe_segment(release_id, "release id")
        self.engine = safe_segment(engine, "engine name")
        self._cleaned: set[Path] = set()

    @property
    def plan_path(self) -> Path:
        """``certification_automation_plan.json``."""
        return self.path / layout.PLAN

    @property
    def report_path(self) -> Path:
        """``certification_report.json``."""
        return self.path / layout.REPORT

    @property
    def suite_path(self) -> Path:
        """``certification_suite.json``."""
        return self.path / layout.SUITE

    @property
    def suite_index_path(self) -> Path:
        """``certification_suite_index.json``."""
        return self.path / layout.SUITE_INDEX

    @property
    def artifact_index_path(self) -> Path:
        """``artifact_index.json``."""
        return self.path / layout.ARTIFACT_INDEX

    @property
    def summary_path(self) -> Path:
        """``release_summary.json``."""
        return self.path / layout.RELEASE_SUMMARY

    def cell_path(self, cell_id: str) -> Path:
        """``cells/<cell_id>.json``; EvidenceError when the id could name anything else."""
        return self.path / layout.cell_path(safe_segment(cell_id, "cell id", LONGEST_CELL_ID))

    def path_of(self, artifact: Artifact) -> Path:
        """Where :meth:`write` puts it: by kind; a cell by its id."""
        if isinstance(artifact, CellEvidence):
            return self.cell_path(artifact.key.cell_id)
        return self.path / f"{safe_segment(artifact.KIND, 'artifact kind')}.json"

    def write(self, artifact: A, markdown: str | None = None) -> A:
        """Write it atomically, with its Markdown beside it; returns what was written.

        A cell gets the earlier attempts of its file carried forward, a decision its ``content_digest``.
        Raises EvidenceError for an artifact of another release, engine or schema, for one that
        contradicts itself, and for what the system refuses; the previous file is then untouched.
        """
        path = resolve_inside(self.path, self.path_of(artifact))
        self._refuse_foreign(artifact, path)
        if isinstance(artifact, CellEvidence):
            artifact = cast("A", self._with_history(artifact, path))
        if isinstance(artifact, Decision):
            artifact = artifact.model_copy(update={"content_digest": ""})
            data, digest = seal(render(artifact, str(path)))
            artifact = artifact.model_copy(update={"content_digest": digest})
        else:
            data = render(artifact, str(path))
        self._clean_once(path.parent)
        write_atomically(path, data)
        if markdown is not None:
            write_atomically(path.with_suffix(".md"), markdown.encode("utf-8", "replace"))
        return artifact

    def read(self, path: str | Path, model: type[A]) -> A:
        """Read one artifact strictly; its release and engine must be this directory's."""
        return self.read_with_digest(path, model)[0]

    def read_with_digest(self, path: str | Path, model: type[A]) -> tuple[A, Digest]:
        """As :meth:`read`, with the digest of the very bytes that were read."""
        data = self.read_bytes(path)
        return self.load(data, path, model), sha256(data)

    def load(self, data: bytes, path: str | Path, model: type[A]) -> A:
        """As :meth:`read`, from bytes that were read before; ``path`` is for messages."""
        artifact = parse(data, model, str(path))
        self._refuse_foreign(artifact, Path(path))
        return artifact

    def load_long(self, data: bytes, path: str | Path, model: type[A]) -> Long[A] | None:
        """As :meth:`load`, for going through its long list once; ``None`` where only :meth:`load` will do."""
        found = parse_long(data, model, str(path))
        if found is not None:
            self._refuse_foreign(found.head, Path(path))
        return found

    def read_bytes(self, path: str | Path) -> bytes:
        """The raw bytes of a file in here; EvidenceError for links, ``..``, pipes and giants."""
        inside = resolve_inside(self.path, path)
        return read_no_follow(inside, str(path), layout.LARGEST_ARTIFACT)

    def digest(self, path: str | Path) -> tuple[Digest, int]:
        """Digest and size of what :meth:`read_bytes` gives, without holding it."""
        inside = resolve_inside(self.path, path)
        found, size = digest_no_follow(inside, str(path), layout.LARGEST_ARTIFACT)
        return f"sha256:{found}", size

    def seal_plan(
        self, plan: CertificationPlan, markdown: str | None = None, *, catalog: bytes | None = None
    ) -> CertificationPlan:
        """Write the plan before anything runs; returns the plan in force.

        A plan with the digest, subject and release of the one already there leaves that one as it is:
        its time of sealing must stay before its cells'. So does a plan narrowed to some of its cells, which
        is a rerun of those; any other narrowed plan is refused, as a release would turn green by leaving
        out what is red. Another whole plan replaces it; cells it does not hold are moved to
        ``superseded/``, where no gate counts them and the index still lists them. ``catalog``: the parts of
        the catalogue whose digest the plan holds; they are there before it is.
        """
        if plan.plan_digest != plan.recompute_digest():
            remedy = "Seal it with CertificationPlan.digest_of over what it holds"
            raise EvidenceError(str(self.plan_path), "plan_digest", "is not the digest of the plan", remedy)
        present = self._plan_in_force()
        if present is not None and (
            (present.plan_digest in _digests(plan) and present.subject == plan.subject)
            or self._narrows(plan, present)
        ):
            return present
        self._supersede({f"{cell.key.cell_id}.json" for cell in plan.cells})
        if catalog is not None:
            write_atomically(self.path / layout.CATALOG, catalog)
        return self.write(plan, markdown)

    def _plan_in_force(self) -> CertificationPlan | None:
        # A plan that is damaged or was edited binds nobody.
        with suppress(EvidenceError):
            present = self.read(self.plan_path, CertificationPlan)
            if present.recompute_digest() == present.plan_digest:
                return present
        return None

    def _narrows(self, plan: CertificationPlan, present: CertificationPlan) -> bool:
        """Whether ``plan`` selects cells of ``present``; refuses a selection that leaves cells of it out."""
        whole = {c.key for c in plan.cells} >= {c.key for c in present.cells}
        if plan.selection == Selection() or (whole and set(plan.families) >= set(present.families)):
            return False
        same = all(
            getattr(plan, field) == getattr(present, field)
            for field in ("subject", "profile", "catalog_digest", "rows", "seed")
        )
        same = same and set(plan.families) <= set(present.families)
        if same and set(plan.cells) <= set(present.cells):
            return True
        problem = f"holds {len(present.cells)} cells; a plan narrowed to {len(plan.cells)} cannot replace it"
        remedy = (
            "Run the whole release again (no --route, --strategy, --scenario), or name another --release-id"
        )
        raise EvidenceError(str(self.plan_path), "cells", problem, remedy)

    def cells(self, plan: CertificationPlan) -> Iterator[tuple[PlannedCell, CellEvidence | Problem]]:
        """Every planned cell with its evidence, or what stands in the way of it, in plan order."""
        for found in self.scan(plan):
            if found.planned is not None:
                yield found.planned, found.content

    def scan(self, plan: CertificationPlan) -> Iterator[CellFile]:
        """As :meth:`cells`, with paths and digests, then every file no planned cell accounts for.

        Reads one file at a time, so that memory stays flat however many cells there are.
        """
        expected: set[str] = set()
        with _open_directory(self.path / layout.CELLS) as directory:
            for planned in plan.cells:
                name = f"{planned.key.cell_id}.json"
                expected.add(name)
                yield self._cell(planned, name, directory)
            if isinstance(directory, int):
                yield from _unexpected(directory, expected)

    def _cell(self, planned: PlannedCell, name: str, directory: int | Problem) -> CellFile:
        path = f"{layout.CELLS}/{name}"
        if isinstance(directory, Problem):
            absent = directory.kind is ProblemKind.MISSING
            return CellFile(planned, path, _absent(planned, path) if absent else directory, None)
        try:
            safe_segment(planned.key.cell_id, "cell id", LONGEST_CELL_ID)
            data = read_no_follow(name, path, layout.LARGEST_CELL, dir_fd=directory)
        except EvidenceError as error:
            absent = error.kind is ProblemKind.MISSING
            return CellFile(planned, path, _absent(planned, path) if absent else error.as_problem(), None)
        digest = sha256(data)
        try:
            return CellFile(planned, path, parse(data, CellEvidence, path), digest)
        except EvidenceError as error:
            return CellFile(planned, path, error.as_problem(), digest)

    def _refuse_foreign(self, artifact: Artifact, path: Path) -> None:
        for field, found, expected in (
            ("schema_version", artifact.schema_version, artifact.schema_name()),
            ("release_id", artifact.release_id, self.release_id),
            ("subject.engine", artifact.subject.engine, self.engine),
        ):
            if found != expected:
                problem = f"is {found!r}, but this directory is for {expected!r}"
                raise EvidenceError(str(path), field, problem, "Produce it for this release and engine")
        if artifact.passed != (artifact.outcome is Outcome.PASSED):
            problem = f"is {artifact.passed}, but outcome is {artifact.outcome.value}"
            raise EvidenceError(str(path), "passed", problem, "Do not edit evidence; produce it again")

    def _with_history(self, cell: CellEvidence, path: Path) -> CellEvidence:
        if cell.outcome is not cell.recompute():
            problem = f"is {cell.outcome.value}, but the judgements say {cell.recompute().value}"
            raise EvidenceError(str(path), "outcome", problem, "This is a defect of the producer: report it")
        previous = None
        # A damaged earlier file has no attempts anybody could vouch for; the new evidence heals it.
        with suppress(EvidenceError):
            data = read_no_follow(path, str(path), layout.LARGEST_CELL)
            previous = parse(data, CellEvidence, str(path))
        return carry_attempts(previous, cell)

    def _supersede(self, kept: set[str]) -> None:
        cells = self.path / layout.CELLS
        try:
            for file in sorted(cells.glob("*")) if cells.is_dir() and not cells.is_symlink() else ():
                if file.name not in kept and not is_temporary(file.name):
                    target = self.path / layout.SUPERSEDED
                    target.mkdir(exist_ok=True)
                    file.replace(target / file.name)
        except OSError as error:
            raise EvidenceError.from_os(str(cells), error, "set aside cells of") from None

    def _clean_once(self, directory: Path) -> None:
        if directory not in self._cleaned:
            self._cleaned.add(directory)
            clean_temporaries(directory)


class _open_directory:  # noqa: N801 - reads as a function, like contextlib's own
    """A directory's descriptor, so that no path below it is resolved twice; or why there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._close: Callable[[], None] | None = None

    def __enter__(self) -> int | Problem:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            return EvidenceError.from_os(self._path.name, error, "read").as_problem()
        self._close = lambda: os.close(descriptor)
        return descriptor

    def __exit__(self, *_: object) -> None:
        if self._close is not None:
            self._close()


def _absent(planned: PlannedCell, path: str) -> Problem:
    if planned.disposition == "run":
        return Problem(ProblemKind.MISSING, path, None, "planned, but nothing was recorded", "Run the cell")
    problem = planned.detail or f"not run: {planned.reason.value if planned.reason else planned.disposition}"
    return Problem(ProblemKind.NOT_RUN, path, None, problem, planned.remedy or "See `certify doctor`")


def _unexpected(directory: int, expected: set[str]) -> Iterator[CellFile]:
    for name in sorted(os.listdir(directory)):
        if name not in expected and not is_temporary(name):
            path = f"{layout.CELLS}/{name}"
            remedy = "Remove it, or seal a plan that holds the cell and run it"
            problem = Problem(ProblemKind.UNEXPECTED, path, None, "no planned cell accounts for it", remedy)
            yield CellFile(None, path, problem, None)


def _digests(plan: CertificationPlan) -> tuple[Digest, Digest]:
    """The plan's, and the one it had before plans held the digest of their catalogue's parts."""
    return plan.plan_digest, plan.model_copy(update={"catalog_parts": None}).recompute_digest()
