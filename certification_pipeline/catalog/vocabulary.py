"""The closed vocabularies every room shares (DESIGN section 2).

This module must import nothing from the project: it is the one place all others may depend on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal


class Outcome(StrEnum):
    """The five outcomes of W3C EARL 1.0 (https://www.w3.org/TR/EARL10-Schema/#OutcomeValue)."""

    PASSED = "passed"
    FAILED = "failed"
    CANT_TELL = "cantTell"
    INAPPLICABLE = "inapplicable"
    UNTESTED = "untested"

    @staticmethod
    def worst(outcomes: Iterable[Outcome]) -> Outcome:
        """Fold outcomes: failed > cantTell > untested > passed; inapplicable never decides.

        Nothing at all is ``untested``: absence is never a pass (law 2).
        """
        seen = set(outcomes)
        for outcome in (Outcome.FAILED, Outcome.CANT_TELL, Outcome.UNTESTED, Outcome.PASSED):
            if outcome in seen:
                return outcome
        return Outcome.INAPPLICABLE if seen else Outcome.UNTESTED


class Strategy(StrEnum):
    """The load semantics of the seeds' matrix (seed 003; research: ten strategies, 237 cases)."""

    FULL_REFRESH = "full_refresh"
    REPLACE = "replace"
    INCREMENTAL_APPEND = "incremental_append"
    INCREMENTAL_MERGE = "incremental_merge"
    SNAPSHOT_DIFF = "snapshot_diff"
    XMIN = "xmin"
    CDC = "cdc"
    PARTITION_REPLACE = "partition_replace"
    SCD2 = "scd2"
    BACKFILL = "backfill"


class Anomaly(StrEnum):
    """What can be wrong with rows in a sink; each is counted exactly."""

    LOST = "lost"
    """An expected row is absent."""
    DUPLICATE = "duplicate"
    """An expected row is there more often than expected."""
    PHANTOM = "phantom"
    """A row whose key was never expected."""
    CORRUPT = "corrupt"
    """Right key, wrong value in at least one column, and the value was never an earlier version's."""
    STALE = "stale"
    """Right key, but the values of an earlier version of that row."""
    TORN = "torn"
    """A reader saw a state between two published states."""
    RESURRECTED_DELETE = "resurrected_delete"
    """A row that the source deleted and the strategy must delete is (still or again) there."""
    EARLY_STATE = "early_state"
    """The engine's state claims more than the sink durably holds."""
    ABORTED_READ = "aborted_read"
    """Rows of a source transaction that rolled back."""


class Family(StrEnum):
    """The evidence families (DESIGN section 2): each is one kind of work with one kind of proof."""

    MATRIX = "matrix"
    BENCHMARK = "benchmark"
    OPENLINEAGE = "openlineage"
    DBT_LINEAGE = "dbt_lineage"
    REPLAY = "replay"
    CONNECTOR_LIVE = "connector_live"
    CALIBRATION = "calibration"


MEASURED_ALONE = frozenset({Family.BENCHMARK})
"""Whose figures another family's work beside it would spoil; the others may be made side by side."""


class ReplayKind(StrEnum):
    """What of an earlier run is done again (seed 003; dpone's ``resync`` and ``resume``)."""

    WINDOW = "window"
    """``resync``: the rows whose partition column lies in ``[from, to)``."""
    PARTITION = "partition"
    """``resync``: the rows of one value of the partition column."""
    KEY_RANGE = "key_range"
    """``resync``: the rows whose primary key lies in ``[from, to)``."""
    RESUME = "resume"
    """Go on from the last committed checkpoint, after a load that broke."""

    @property
    def action(self) -> Literal["resync", "resume"]:
        """The seeds' word for it."""
        return "resume" if self is ReplayKind.RESUME else "resync"


class Support(StrEnum):
    """How an engine declares a capability (the terms of dbt-adapters' ``Support``)."""

    FULL = "Full"
    PARTIAL = "Partial"
    UNSUPPORTED = "Unsupported"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_IN_ARTIFACT = "NotInArtifact"
    """The vendor documents it, but what is released and certified here was built without it."""


class Fidelity(StrEnum):
    """How close a service is to the thing itself, best first."""

    VENDOR = "vendor"
    REAL = "real"
    ENGINE = "engine"
    EMULATOR = "emulator"
    SIMULATOR = "simulator"


class Guarantee(StrEnum):
    """Delivery guarantees, weakest first (seed 001). Compare with :attr:`rank`."""

    BEST_EFFORT = "best-effort"
    AT_LEAST_ONCE = "at-least-once"
    EFFECTIVELY_ONCE = "effectively-once"
    EXACTLY_ONCE = "exactly-once"

    @property
    def rank(self) -> int:
        """Position in the order, 0 the weakest."""
        return list(Guarantee).index(self)

    @staticmethod
    def weakest(guarantees: Iterable[Guarantee]) -> Guarantee:
        """What a chain is good for: its weakest link (seed 001). Raises ``ValueError`` for no link at all."""
        return min(guarantees, key=lambda guarantee: guarantee.rank)


class SourceFeature(StrEnum):
    """What a system offers as a source beyond rows that change; scenarios name what they need."""

    TRANSACTIONS = "transactions"
    """Statements, and transactions that can be held open."""
    LOGIN = "login"
    """A password that can be wrong, and a port where nobody may listen."""


class Side(StrEnum):
    """An end of a route."""

    SOURCE = "source"
    SINK = "sink"


class Disturbable(StrEnum):
    """Ways in which a system can be disturbed from outside; scenarios name what they need of which side."""

    NETWORK = "network"
    """Its DSN names a host and a port: a proxy can stand in between."""
    COMMITS = "commits"
    """Its protocol shows when something is committed (PostgreSQL's does)."""
    FILES = "files"
    """It is files below a directory: what becomes durable can be watched there."""
    RESTART = "restart"
    """The service is a process of its own that can be killed and started again on the same data."""


class LateRows(StrEnum):
    """What a cursor strategy declares to do with rows whose cursor lies behind the high-water mark."""

    WITHIN_LOOKBACK = "taken_within_lookback"
    """``options.lookback_seconds`` says how far behind rows are still taken; none beyond is."""
    DROPPED = "dropped"
    """None is taken."""
    TAKEN = "taken"
    """All are taken, however late."""


class OnTruncate(StrEnum):
    """What a log strategy declares to do about a TRUNCATE at the source."""

    APPLIED = "applied"
    """The sink loses the same rows."""
    STOPS = "stops"
    """The load fails and leaves the sink as it was."""


class OnPositionLost(StrEnum):
    """What a log strategy declares to do when the source no longer has the log behind its position."""

    STOPS = "stops"
    """The load fails with category ``state`` and leaves the sink as it was. With an empty working folder the
    next load begins anew."""
    RESNAPSHOTS = "resnapshots"
    """The load reads the whole table again and makes the sink equal to it."""


class FailureCategory(StrEnum):
    """The failure taxonomy of run records (seed 000 'Failure taxonomy documented', seed 004 section 3)."""

    CONFIGURATION = "configuration"
    """The request or manifest is wrong; retrying cannot help."""
    AUTHENTICATION = "authentication"
    """Credentials were refused."""
    CONNECTIVITY = "connectivity"
    """Source or sink is unreachable or went away; a retry may help."""
    NOT_FOUND = "not_found"
    """A named source object does not exist."""
    SCHEMA = "schema"
    """Source and sink schemas cannot be reconciled under the configured policy."""
    DATA = "data"
    """A value cannot be represented in the sink."""
    CONFLICT = "conflict"
    """Another run holds the target or its state."""
    STATE = "state"
    """The stored state is corrupt or contradicts source or sink."""
    RESOURCE = "resource"
    """Disk, memory or quota ran out."""
    UNSUPPORTED = "unsupported"
    """The engine does not implement what was asked."""
    INTERNAL = "internal"
    """A defect of the engine."""


class ReasonCode(StrEnum):
    """Why a planned cell has no verdict about the subject; always with a remedy beside it."""

    NOT_DECLARED = "not_declared"
    """The engine does not claim this (outcome ``inapplicable``)."""
    UNSUPPORTED_COMBINATION = "unsupported_combination"
    """Outside the engine's own delivery table: refused when it is planned (outcome ``inapplicable``)."""
    SOURCE_LACKS = "source_lacks"
    """The source system has nothing of the kind that the scenario disturbs (outcome ``inapplicable``)."""
    SINK_LACKS = "sink_lacks"
    """The sink system has nothing of the kind that the scenario disturbs (outcome ``inapplicable``)."""
    NOTHING_TO_DISTURB = "nothing_to_disturb"
    """The engine keeps nothing of the kind that the fault damages, as was measured (``inapplicable``)."""
    SERVICE_UNAVAILABLE = "service_unavailable"
    """No provider of a needed service can start here (``untested``)."""
    NOT_IN_PROFILE = "not_in_profile"
    """The profile leaves it out on purpose, e.g. for time (``untested``)."""
    NOT_IMPLEMENTED = "not_implemented"
    """The engine declares the capability as not implemented yet (``untested``)."""
    NOT_IN_ARTIFACT = "not_in_artifact"
    """The vendor documents it; the released artifact does not hold it (``untested``)."""
    DRIVER_MISSING = "driver_missing"
    """The engine's environment cannot be made here (``untested``)."""
    HARNESS_ERROR = "harness_error"
    """Our own bench broke (``cantTell``)."""
    SERVICE_DIED = "service_died"
    """A service went away while the cell ran (``cantTell``)."""
    NO_WITNESS = "no_witness"
    """The fault did not fire (``cantTell``)."""
    CONTROL_MISBEHAVED = "control_misbehaved"
    """Positive or negative control disagreed (``cantTell``)."""
    NO_OUTCOME = "no_outcome"
    """Planned, but nothing was recorded (counts as red)."""
    INTERRUPTED = "interrupted"
    """The run was stopped before this cell (``untested``)."""


class DriftKind(StrEnum):
    """Schema drifts that the ``schema.*`` scenarios apply between two loads."""

    ADD = "add"
    DROP = "drop"
    WIDEN = "widen"
    NARROW = "narrow"
    RENAME = "rename"
    NULL = "null"


class DriftBehaviour(StrEnum):
    """What an engine declares to do about a drift; the scenario holds it to that."""

    APPLIED = "applied"
    """The sink follows the source (new column there, wider type, NULL allowed)."""
    KEPT = "kept"
    """The sink keeps the old column, NULL in rows loaded after the drift; nothing else is lost."""
    IGNORED = "ignored"
    """The sink does not take the change; every other column stays exact."""
    NEW_COLUMN = "new_column"
    """Values of the new type go to a column of their own; the old one is left untouched."""
    STOPS = "stops"
    """The load fails with category ``schema`` and leaves the sink as it was."""
