"""What an operator configures: where evidence lies, and how a run is sized."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import Field

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration.names import PLAN, RELEASE_TAG
from certification_pipeline.pipeline.upgrades.ids import newest_but_upgrades
from certification_pipeline.settings import RunSettings, load_settings


class CertificationResource(dg.ConfigurableResource[None]):
    """Hands every asset the settings the command line would have.

    What is not given here comes from the ``CERTIFY_*`` variables, and then from the CLI's own defaults.
    """

    profile: str | None = Field(default=None, description="which systems and engines take part")
    evidence_dir: str | None = Field(default=None, description="root of all evidence")
    workers: int | None = Field(default=None, description="cells judged side by side")

    def settings(self, release_id: str | None = None, **options: object) -> RunSettings:
        """As ``certify run`` would have them, with these options. ``SettingsError`` for a wrong one."""
        return load_settings(
            profile=self.profile,
            evidence_dir=Path(self.evidence_dir) if self.evidence_dir else None,
            workers=self.workers,
            release_id=release_id,
            **options,
        )

    def store(self) -> EvidenceStore:
        """All evidence."""
        return EvidenceStore(self.settings().evidence_dir)

    def planned_by(self, run: dg.DagsterRun) -> str:
        """The release a run that plans writes to: as its tag or launchpad names it, else one of its own."""
        return run.tags.get(RELEASE_TAG) or _asked(run) or _release_of_run(run.run_id)

    def decided_by(self, run: dg.DagsterRun) -> str:
        """The release a run that only decides works on: the one its tag names, else the latest, if any."""
        return run.tags.get(RELEASE_TAG) or newest_but_upgrades(self.store()) or _release_of_run(run.run_id)

    def release_of(self, run: dg.DagsterRun) -> str:
        """The release any other asset of a run works on.

        The run's own if it planned one; for a run that was started again, the one its first attempt
        planned; else the latest. Raises ``dagster.Failure`` when nothing was ever planned.
        """
        if named := run.tags.get(RELEASE_TAG) or _asked(run):
            return named
        store = self.store()
        there = store.releases()
        for run_id in (run.run_id, run.root_run_id):
            if run_id and (own := _release_of_run(run_id)) in there:
                return own
        if latest := newest_but_upgrades(store):
            return latest
        raise dg.Failure(
            f"There is no release under {store.root} yet. Materialize `plan` first, or all assets.",
            allow_retries=False,
        )

    def directory(self, run: dg.DagsterRun, engine: str) -> SubjectDir:
        """Where that engine's evidence of the run's release lies."""
        return self.store().release(self.release_of(run), engine)


def _release_of_run(run_id: str) -> str:
    return f"dagster-{run_id[:8]}"


def _asked(run: dg.DagsterRun) -> str | None:
    """``release_id`` in the launchpad's config for ``plan``, whatever shape that config has."""
    found: object = run.run_config
    for name in ("ops", PLAN.path[-1], "config", "release_id"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) and found else None
