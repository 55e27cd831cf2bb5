"""Run the suite on the plan's connectors and write ``connector_certification`` with its JUnit file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from certification_pipeline.catalog.checklist import TestMarker
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.connector_scope import connector_scope, tested
from certification_pipeline.evidence.connector_snapshot import junit_file, snapshot_id
from certification_pipeline.evidence.connector_verdict import (
    judge_connectors,
    profile_markers,
)
from certification_pipeline.evidence.connectors import JUNIT, Connector, ConnectorCertification
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import resolve_inside, write_atomically
from certification_pipeline.evidence.junit import JUnitReport, parse_junit
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.families.connector_live.context import SUITE, Context, Served, variables
from certification_pipeline.families.connector_live.credentials import credential_variable
from certification_pipeline.families.connector_live.pages import EXAMPLES, FOLDER, page_path
from certification_pipeline.families.connector_live.published import published_levels
from certification_pipeline.families.work import Work
from certification_pipeline.harness.engines.environment import child_environment
from certification_pipeline.harness.events import FamilyStep
from certification_pipeline.harness.services.watchdog import MARK_VARIABLE, end_tree

DOCS_VARIABLE = "CERTIFY_DOCS_DIR"
ROWS = 120
_ROOT = Path(__file__).resolve().parents[3]
_LIMIT_SECONDS = 900.0
_GLANCE_SECONDS = 0.1
_HOST = re.compile(r' hostname="[^"]*"')
"""pytest names the machine; evidence does not."""
_PASSED_ON = ("CERTIFY_CACHE",)


class SuiteStopped(Exception):  # noqa: N818 - not an error of the suite
    """The run was cancelled; what was there before is left as it is."""


@dataclass(frozen=True)
class ConnectorRun:
    """What a run of the suite is asked for, beside what the plan says."""

    docs_dir: Path | None = None
    """Where the documentation is; by default ``CERTIFY_DOCS_DIR``, else ``docs`` of the checkout."""
    live: bool = False
    """Ask for the live tests too, whatever the profile."""
    suite: Path = SUITE

    def docs(self) -> Path | None:
        """The documentation's directory, if there is one."""
        named = self.docs_dir or (Path(os.environ[DOCS_VARIABLE]) if os.environ.get(DOCS_VARIABLE) else None)
        candidate = named or _ROOT / "docs"
        ours = named is not None or (_ROOT / "pyproject.toml").is_file()
        return candidate.absolute() if ours and (candidate / FOLDER).is_dir() else None

    def markers(self, profile: str) -> tuple[TestMarker, ...]:
        """Which tests are asked for, in the seeds' order."""
        asked = {*profile_markers(profile), *([TestMarker.INTEGRATION_LIVE] if self.live else [])}
        return tuple(marker for marker in TestMarker if marker in asked)


def produce(work: Work, asked: ConnectorRun = ConnectorRun()) -> ConnectorCertification:
    """Test every connector of the plan; write JUnit file, artifact and Markdown."""
    made, junit = examine(work, asked)
    path = resolve_inside(work.directory.path, JUNIT)
    if junit is not None:
        write_atomically(path, junit)
    else:
        path.unlink(missing_ok=True)
    return work.directory.write(made, markdown(made))


def examine(
    work: Work,
    asked: ConnectorRun = ConnectorRun(),
    *,
    only: Collection[str] = (),
) -> tuple[ConnectorCertification, bytes | None]:
    """As :func:`produce`, but nothing is written. ``only`` these connectors: a look, and never evidence.

    Raises :class:`SuiteStopped` when the run is cancelled.
    """
    plan, docs = work.plan, asked.docs()
    whole = connector_scope(plan)
    scope = tuple(c for c in whole if not only or c.name in only)
    markers = asked.markers(plan.profile)
    junit: bytes | None = None
    report: JUnitReport | str = "no connector was tested"
    code: int | None = None
    published = published_levels(work.store, work.engine)
    if subjects := tested(scope):
        prepared = work.shop.engines[work.engine]
        context = Context(
            engine=work.engine,
            profile=plan.profile,
            command=prepared.command,
            env=dict(prepared.env),
            catalog=work.shop.catalog,
            connectors=subjects,
            docs_dir=docs,
            changelog=docs.parent / "CHANGELOG.md" if docs else None,
            previous_release=published.release_id,
            previous_levels=published.levels,
            previous_problem=published.problem,
            rows=ROWS,
            seed=plan.seed,
        )
        names = ", ".join(subject.system for subject in subjects)
        work.shop.on_event(FamilyStep(work.engine, Family.CONNECTOR_LIVE, f"testing {names}"))
        junit, code, said = _run_suite(work, context, asked.suite, markers)
        report = _parsed(junit, said)
        junit = junit if isinstance(report, JUnitReport) else None
    judged = judge_connectors(
        scope,
        report,
        markers=markers,
        profile=plan.profile,
        exit_code=code,
        again=decide_again("connectors", work.engine, plan.release_id),
    )
    referred = junit_file(junit, report) if junit is not None and isinstance(report, JUnitReport) else None
    documents = _documents(docs, scope)
    made = ConnectorCertification(
        **stamp(work.run_id).header(ConnectorCertification, plan.release_id, plan.subject, plan.profile),
        **verdict(judged.outcome, judged.blockers),
        markers=markers,
        scope=judged.scope,
        connectors=judged.connectors,
        missing_required=judged.missing_required,
        documents=documents,
        previous_release=published.release_id,
        pytest_exit_code=code,
        junit=referred,
        catalog_digest=plan.catalog_digest,
        snapshot_id=snapshot_id(plan.catalog_digest, documents, referred.sha256 if referred else ""),
    )
    return made, junit


def _parsed(junit: bytes | None, said: str) -> JUnitReport | str:
    if junit is None:
        return f"pytest wrote no report: {said}"
    try:
        return parse_junit(junit, JUNIT)
    except EvidenceError as error:
        return str(error)


def _run_suite(
    work: Work, context: Context, suite: Path, markers: Collection[TestMarker]
) -> tuple[bytes | None, int | None, str]:
    """The report with secrets masked, pytest's exit code (``None``: killed), and the last it said."""
    with tempfile.TemporaryDirectory(prefix="connectors-", dir=work.shop.work_dir) as name:
        folder = Path(name)
        report, log = folder / "junit.xml", folder / "pytest.log"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"),
            *("-c", str(suite / "pytest.ini"), f"--rootdir={suite}", f"--junitxml={report}"),
            *("-m", " or ".join(markers), str(suite)),
        ]
        environment = child_environment(
            {
                **_given(context.connectors),
                **variables(context, _endpoints(work), folder / "context.json"),
                "PYTHONPATH": str(_ROOT),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": name,
            }
        )
        code = _wait(work, command, environment, folder, log)
        said = work.shop.redactor.redact_text(log.read_text(errors="replace")[-2000:].strip())
        if not report.is_file():
            return None, code, " / ".join(said.splitlines()[-4:]) or "nothing"
        text = _HOST.sub(' hostname="localhost"', report.read_bytes().decode("utf-8", "replace"))
        return work.shop.redactor.redact_text(text).encode(), code, said


def _wait(
    work: Work, command: list[str], environment: Mapping[str, str], folder: Path, log: Path
) -> int | None:
    mark = uuid4().hex
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env={**environment, MARK_VARIABLE: mark},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    guarded = work.shop.guardian.add_process(process.pid, mark=mark)
    deadline = time.monotonic() + _LIMIT_SECONDS
    try:
        while process.poll() is None:
            if work.shop.cancel.wait(_GLANCE_SECONDS):
                raise SuiteStopped("stopped before the connectors were tested")
            if time.monotonic() > deadline:
                return None
        return process.returncode
    finally:
        if process.poll() is None:
            end_tree(process.pid, mark=mark)
            process.wait()
        work.shop.guardian.remove(guarded)


def _given(connectors: Collection[Connector]) -> dict[str, str]:
    """What a live test needs of our environment, and where environments are cached."""
    names = [*_PASSED_ON, *(v for c in connectors if (v := credential_variable(c.system)))]
    return {name: os.environ[name] for name in names if name in os.environ}


def _endpoints(work: Work) -> dict[str, Served]:
    return {
        system: Served(
            system=system,
            provider=instance.provider,
            fidelity=instance.fidelity,
            version=instance.version,
            source_dsn=instance.source().dsn,
            sink_dsn=instance.sink().dsn,
        )
        for system, instance in work.shop.services.items()
    }


def _documents(docs: Path | None, scope: Collection[Connector]) -> dict[str, Digest]:
    """Digest of each page, manifest and changelog there is, by its path relative to the checkout."""
    if docs is None:
        return {}
    engines = {connector.name.partition("/")[0] for connector in scope}
    files = [
        *(page_path(docs, connector.name) for connector in scope),
        *(file for engine in sorted(engines) for file in (docs / FOLDER / EXAMPLES).glob(f"{engine}-*.yaml")),
        docs / "compatibility.md",
        docs.parent / "CHANGELOG.md",
    ]
    there = sorted(file for file in files if file.is_file())
    return {file.relative_to(docs.parent).as_posix(): sha256(file.read_bytes()) for file in there}
