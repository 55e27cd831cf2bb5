"""One artifact as the page shows it, in a release that holds it."""

from __future__ import annotations

from dataclasses import replace

from certification_pipeline.evidence.decision import Decision
from certification_pipeline.report.families import FamilyView
from tests.report.sample import make_release
from tests.report.test_families import words
from tests.report.with_families import page


def shown(artifact: Decision, name: str = "family") -> str:
    """The whole page."""
    view = FamilyView(
        name, name, f"{artifact.KIND}.json", artifact.outcome, True, artifact.blockers, artifact
    )
    release = make_release()
    return page(replace(release, subjects=(replace(release.subjects[1], families=(view,)),)))


def said(artifact: Decision) -> str:
    """The page's text, spaces folded."""
    return words(shown(artifact))
