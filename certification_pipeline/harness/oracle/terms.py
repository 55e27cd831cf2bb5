"""What the oracle is asked about: a history at the source, declared semantics, a table to look at.

Plain values; nothing here reads or compares. It must not know any engine: all an engine may do
differently reaches the oracle as declared data (:class:`Semantics`, :class:`SinkView`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.vocabulary import DriftBehaviour, Strategy
from certification_pipeline.harness.engines.protocol import LoadOptions

if TYPE_CHECKING:
    from certification_pipeline.harness.workload.rounds import Workload


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a table: the rows whose partition date or integer key lies in ``[start, stop)``.

    Dates are days since 1970-01-01. A row without a value is in no region.
    """

    of: Literal["partition", "key"]
    column: str
    start: int
    stop: int

    def holds(self, value: str) -> str:
        """SQL condition over the value as an integer; never NULL."""
        return f"coalesce({value} >= {self.start} AND {value} < {self.stop}, false)"


@dataclass(frozen=True, slots=True)
class Resync:
    """A region was read again after ``after`` loads, when ``round`` change rounds had been applied.

    ``by_key``: every key with a row in the region on either side became the source's; else the region's
    rows were replaced by the source's rows in it.
    """

    region: Region
    after: int
    round: int
    by_key: bool


@dataclass(frozen=True, slots=True)
class History:
    """What happened at the source, and when loads succeeded.

    ``loads`` has one entry for each *successful* load, in order: how many change rounds had been applied
    to the source when it ran (0 = only the initial rows). A failed load has no entry.
    ``load_options`` gives the options of each load where they differed from :attr:`Semantics.options`
    (e.g. two slices of one ``replace``); empty, or as long as ``loads``.
    """

    workload: Workload
    loads: tuple[int, ...]
    load_options: tuple[LoadOptions, ...] = ()
    aborted: tuple[int, ...] = ()
    """Change rounds that were done at the source and rolled back: no row of theirs may ever be seen. Not
    those that were done again, and committed, before the last load."""
    resyncs: tuple[Resync, ...] = ()
    """In order. Not for ``incremental_append`` and ``scd2``: their sinks hold what the source has no more."""

    @property
    def last_round(self) -> int:
        """The last change round that any load or resync could see."""
        return max((*self.loads, *(resync.round for resync in self.resyncs)), default=0)

    def __post_init__(self) -> None:
        if any(later < earlier for earlier, later in zip(self.loads, self.loads[1:], strict=False)):
            raise ValueError(f"loads {self.loads}: change rounds cannot be undone between two loads")
        if self.load_options and len(self.load_options) != len(self.loads):
            raise ValueError("load_options must be empty or have one entry for each load")


@dataclass(frozen=True, slots=True)
class Semantics:
    """What the engine declares its loads to do: catalogue claim + load options.

    ``propagates_deletes`` overrides the strategy's default where vendors differ (``None`` = default);
    ``propagates_updates`` is ``False`` for a merge that only inserts.
    ``drift`` is the behaviour declared for the drift in the history, if it has one.
    ``scd2_columns`` are the validity columns (from, to). ``added_columns`` are fnmatch patterns of
    columns the engine adds by design; they are not judged.
    """

    strategy: Strategy
    options: LoadOptions = field(default_factory=LoadOptions)
    propagates_deletes: bool | None = None
    propagates_updates: bool | None = None
    drift: DriftBehaviour | None = None
    scd2_columns: tuple[str, str] = ("valid_from", "valid_to")
    added_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SinkView:
    """A table to look at, as in the engine protocol's ``DataObject``, and the type contract that holds.

    ``types`` is the effective contract by logical type: the system's default from
    ``catalog/data/types.yaml`` overlaid with the route's deviations.
    """

    system: str
    dsn: str = field(repr=False)
    namespace: str
    name: str
    types: Mapping[str, TypeRule] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.system} table {'.'.join(filter(None, (self.namespace, self.name)))}"


class Unreadable(Exception):  # noqa: N818 - reads as a state of the table
    """The table could not be read: it is missing, empty of files, damaged, or its service is gone.

    The message names the table and the cause, never the DSN.
    """
