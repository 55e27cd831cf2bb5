"""How tests are dealt out to the workers of ``pytest -n``."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

from tests.rooms import room_of


class ByRoom(LoadScopeScheduling):
    """A room's tests go to one worker, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return room_of(nodeid)
