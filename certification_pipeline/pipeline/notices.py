"""One pass: what is worth a notice, told to whoever is configured. `certify notify` and Dagster's sensors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from certification_pipeline.alerts.due import Asked, Due, due
from certification_pipeline.alerts.kinds import Alert
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.notify.configured import Configured, configured
from certification_pipeline.notify.delivery import State, Told, deliver, preview
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from certification_pipeline.settings import RunSettings
from certification_pipeline.timetable import load_timetable


@dataclass(frozen=True)
class Passed:
    """What a pass found and did."""

    due: Due
    told: tuple[Told, ...]
    receivers: tuple[str, ...]
    dry_run: bool = False
    at: datetime = field(default_factory=utc_now)

    @property
    def sent(self) -> list[Told]:
        """Delivered by this pass."""
        return [one for one in self.told if one.state is State.SENT]

    @property
    def failed(self) -> list[Told]:
        """Not delivered; a later pass tries again."""
        return [one for one in self.told if one.state in (State.FAILED, State.LATER)]


def notify_once(
    settings: RunSettings,
    alerts: Collection[Alert] = tuple(Alert),
    *,
    dry_run: bool = False,
    eager: bool = False,
    now: datetime | None = None,
    receivers: Configured | None = None,
) -> Passed:
    """Look, and tell. Raises ``SettingsError`` for a wrong variable, ``EvidenceError`` when nothing can be
    recorded or another pass is at work; a receiver that fails raises nothing.
    """
    at, to = now or utc_now(), receivers or configured()
    found = due(EvidenceStore(settings.evidence_dir), asked(settings, to, at), alerts)
    return _tell(settings, found, to, at, dry_run=dry_run, eager=eager)


def tell(settings: RunSettings, *notices: Notice) -> Passed:
    """What somebody else found worth a notice, told once as any other. Raises as :func:`notify_once`."""
    return _tell(settings, Due(notices), configured(), utc_now())


def send_test(settings: RunSettings, *, dry_run: bool = False) -> Passed:
    """A notice that is new every time, to every receiver."""
    at, to = utc_now(), configured()
    notice = Notice(
        key=f"test:{uuid4()}",
        kind=NoticeKind.TEST,
        severity=Severity.INFO,
        at=at,
        subject="certify notify --test",
        title="Test: notices of certification_pipeline arrive here",
        text=("This is what a notice looks like. Nothing is wrong; somebody tried the settings.",),
        what_to_do=("Nothing.",),
        link=to.settings.link,
    )
    return _tell(settings, Due((notice,)), to, at, dry_run=dry_run)


def _tell(
    settings: RunSettings,
    found: Due,
    to: Configured,
    at: datetime,
    *,
    dry_run: bool = False,
    eager: bool = False,
) -> Passed:
    root = settings.evidence_dir
    if dry_run:
        told = preview(root, found.notices, to.receivers)
    else:
        told = deliver(root, found.notices, to.receivers, now=at, redactor=to.redactor, eager=eager)
    return Passed(found, tuple(told), tuple(one.name for one in to.receivers), dry_run, at)


def asked(settings: RunSettings, to: Configured, now: datetime) -> Asked:
    """What these settings look for. Raises ``SigningKeyError`` for a key that is none."""
    trusted = settings.trusted()
    if signer := settings.signer():
        trusted = (*trusted, signer.public_key)
    own = to.settings
    return Asked(
        now,
        timedelta(days=own.lookback_days),
        timedelta(days=own.expiring_days),
        own.link,
        trusted,
        load_timetable(),
    )
