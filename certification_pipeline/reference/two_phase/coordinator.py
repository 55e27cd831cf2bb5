"""The coordinator: has all participants prepare, decides, has it carried out; resolves what is left.

The order is the whole point: a decision is durable before anybody acts upon it, and a transaction's name is
durable before anything is prepared under it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.two_phase.log import Decision, DecisionLog, Transaction
from certification_pipeline.reference.two_phase.participant import Participant, Standing

_GID = "certify"
_LOG = structlog.get_logger()


def new_gid(pipeline: str) -> str:
    """A name for a transaction of that pipeline; PostgreSQL takes up to 200 bytes."""
    return f"{_GID}:{pipeline}:{secrets.token_hex(8)}"


def is_of(gid: str, pipeline: str) -> bool:
    """Whether the name was made by :func:`new_gid` for that pipeline."""
    return gid.startswith(f"{_GID}:{pipeline}:")


class Coordinator:
    """See the module docstring. One instance serves one attempt at a load, over an open log."""

    def __init__(
        self,
        log: DecisionLog,
        participants: Sequence[Participant],
        phase: Callable[[str], None],
        defect: Defect | None = None,
    ) -> None:
        self._log, self._phase, self._defect = log, phase, defect
        self._participants = {one.address: one for one in participants}

    # --- a transaction --------------------------------------------------------------------------------

    def settle(self, pipeline: str) -> None:
        """Prepare, decide, commit. When it raises, the log and :meth:`resolve` know how it ends."""
        gid = new_gid(pipeline)
        self._phase("prepare")
        self._log.begin(gid, tuple(self._participants))
        try:
            tokens = {address: one.prepare(gid) for address, one in self._participants.items()}
            self._log.prepared(gid, tokens)
        except BaseException:
            with suppress(Exception):  # told why it failed, not why the tidying did: resolve() does it again
                self._give_up(gid)
            raise
        self._phase("decide")
        if self._defect is not Defect.DECIDE_AFTER_COMMIT:
            self._log.decide(gid, Decision.COMMIT)
        self._phase("commit")
        for one in self._participants.values():
            if not one.commit(gid):
                raise LoadError(
                    FailureCategory.STATE,
                    f"the prepared transaction {gid} was ended by somebody else after the decision to commit",
                )
        if self._defect is Defect.DECIDE_AFTER_COMMIT:
            self._log.decide(gid, Decision.COMMIT)
        self._log.done(gid)

    def _give_up(self, gid: str) -> None:
        self._log.decide(gid, Decision.ABORT)
        for one in self._participants.values():
            self._act(one, gid, Decision.ABORT)
        self._log.done(gid)

    def _act(self, participant: Participant, gid: str, decision: Decision) -> None:
        if decision is Decision.COMMIT:
            participant.commit(gid)
        elif self._defect is not Defect.LEAVE_PREPARED_BEHIND:
            participant.abort(gid)

    # --- the past -------------------------------------------------------------------------------------

    def resolve(self) -> None:
        """Bring what an earlier process left to the end its log tells; no decision means abort."""
        if self._defect is Defect.FORGET_TO_RESOLVE:
            return
        for left in self._log.pending():
            self._phase("resolve")
            self._resolve(left)
        self._log.compact()

    def _resolve(self, left: Transaction) -> None:
        absent = [address for address in left.participants if address not in self._participants]
        if absent:
            # Not ours to end: it stays pending until a load of that sink comes by.
            _LOG.warning("in doubt elsewhere", gid=left.gid, participants=absent)
            return
        decision = left.decision or Decision.ABORT
        if left.decision is None and self._defect is Defect.COMMIT_IN_DOUBT:
            decision = Decision.COMMIT
        self._log.decide(left.gid, decision)
        for address in left.participants:
            participant = self._participants[address]
            standing = participant.standing(left.gid, left.tokens.get(address, ""))
            if standing is Standing.PREPARED:
                self._act(participant, left.gid, decision)
            _report(left.gid, address, decision, standing)
        self._log.done(left.gid)

    def sweep(self, pipeline: str) -> None:
        """End what this pipeline has prepared and the log does not know: the log was lost. Presumed abort."""
        if self._defect is Defect.FORGET_TO_RESOLVE:
            return
        for address, one in self._participants.items():
            for gid in sorted(one.prepared()):
                known = self._log.find(gid)
                if not is_of(gid, pipeline) or (known is not None and not known.done):
                    continue
                self._phase("resolve")
                decision = (known and known.decision) or Decision.ABORT
                _LOG.warning("prepared, and unknown to the log", gid=gid, participant=address)
                self._act(one, gid, decision)
                _report(gid, address, decision, Standing.PREPARED)


def _report(gid: str, address: str, decision: Decision, found: Standing) -> None:
    facts: dict[str, Any] = {
        "gid": gid,
        "participant": address,
        "decision": str(decision),
        "found": str(found),
    }
    reversed_ = (decision, found) in (
        (Decision.COMMIT, Standing.GONE),
        (Decision.ABORT, Standing.COMMITTED),
    )
    if reversed_:
        # Somebody at the sink decided otherwise. Rows and position went together, so the next load is right.
        _LOG.error("decided otherwise by somebody else", **facts)
    else:
        _LOG.info("resolved", **facts)
