"""Which provider serves a system here: the first that applies, in the order of DESIGN section 5.

A DSN that the user set wins or fails; falling back to something else would certify what was not asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from certification_pipeline.harness.services import embedded, unreachable
from certification_pipeline.harness.services.api import ApiProvider
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_dsn import PostgresDsnProvider
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.harness.services.provider import Availability, Provider
from certification_pipeline.redaction import Redactor


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """What providers need to know about a run. The defaults do for probing."""

    work_dir: Path | None = None
    """Where embedded systems put their files; a temporary directory when ``None``."""
    redactor: Redactor = field(default_factory=Redactor)
    guardian: Guardian = field(default_factory=Guardian)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


def resolve(system: str, context: ServiceContext | None = None) -> Provider | Availability:
    """A provider whose probe says yes, or the reason why there is none."""
    chosen = _chosen(system, context or ServiceContext())
    if isinstance(chosen, Availability):
        return chosen
    answer = chosen.probe()
    return chosen if answer.ok else answer


def probe_all(systems: Iterable[str], context: ServiceContext | None = None) -> dict[str, Availability]:
    """What each system's provider answers, probed at once: one dead server costs its own timeout only."""
    names = tuple(dict.fromkeys(systems))
    if not names:
        return {}
    common = context or ServiceContext()

    def ask(system: str) -> Availability:
        chosen = _chosen(system, common)
        return chosen if isinstance(chosen, Availability) else chosen.probe()

    with ThreadPoolExecutor(max_workers=len(names), thread_name_prefix="probe") as pool:
        return dict(zip(names, pool.map(ask, names), strict=True))


def _chosen(system: str, context: ServiceContext) -> Provider | Availability:
    if system == "postgres":
        if PostgresDsnProvider.configured(context.environ):
            return PostgresDsnProvider(context.environ, redactor=context.redactor, guardian=context.guardian)
        return PostgresWheelProvider(redactor=context.redactor, guardian=context.guardian)
    if system == ApiProvider.system:
        return ApiProvider(redactor=context.redactor)
    if system in embedded.SYSTEMS:
        return embedded.EmbeddedProvider(system, work_dir=context.work_dir, guardian=context.guardian)
    return unreachable.why_unreachable(system)
