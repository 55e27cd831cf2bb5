"""A version of an engine that a package index has and no release was ever about."""

from __future__ import annotations

from datetime import datetime

from certification_pipeline.alerts.links import asset_page
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity


def new_version(
    engine: str, version: str, why: str, command: str | None, now: datetime, *, link: str | None = None
) -> Notice:
    """Told once a version. ``why``: what is certified instead; ``command``: what certifies the new one."""
    return Notice(
        key=f"new_version:{engine}:{version}"[:200],
        kind=NoticeKind.NEW_VERSION,
        severity=Severity.INFO,
        at=now,
        subject=f"{engine} {version}",
        title=f"New version: {engine} {version} was never certified",
        text=(why,),
        what_to_do=(command,) if command else (),
        link=asset_page(link, "upgrades", engine),
        thread=f"versions {engine}",
    )
