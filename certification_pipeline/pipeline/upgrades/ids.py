"""What releases that certify an upgrade are called: none is to be taken for the newest of its engine."""

from __future__ import annotations

import re

from certification_pipeline.catalog.engines import VERSION_MARK
from certification_pipeline.evidence.store import EvidenceStore

_PREFIX = "upgrade-"
_STATE = "-state"
_LONGEST = 90
"""Of 100 characters that a release id may have."""


def upgrade_id(name: str) -> str:
    """``upgrade-dlt-1.32.0`` for ``dlt==1.32.0``."""
    return (
        _PREFIX + re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace(VERSION_MARK, "-"))[: _LONGEST - len(_PREFIX)]
    )


def state_id(release_id: str) -> str:
    """The release in which the same version goes on from an earlier one's state."""
    return release_id + _STATE


def is_upgrade(release_id: str) -> bool:
    """Whether a release is called so."""
    return release_id.startswith(_PREFIX)


def newest_but_upgrades(store: EvidenceStore) -> str | None:
    """The newest release that is not an upgrade's: that one is about a version no other release is about."""
    latest = store.latest()
    if latest is None or not is_upgrade(latest):
        return latest
    there = [name for name in store.releases() if not is_upgrade(name)]
    return max(there, key=lambda name: _sealed(store, name), default=None)


def _sealed(store: EvidenceStore, release: str) -> float:
    """When a plan of it was written last."""
    plans = (store.release(release, engine).plan_path for engine in store.engines(release))
    return max((path.stat().st_mtime for path in plans if path.exists()), default=0.0)
