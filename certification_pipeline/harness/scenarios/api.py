"""What a vendor's API does to its clients, and what they must make of it.

All of them alike: a first load in peace; then, after a change round each time, a load under the fault, judged
right after it ended: well, or with a failure of a fitting category and the sink as it was. After a failure
the vendor behaves again, and the next load must be right. How often and when the engine asked is read in the
vendor's own log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise

from certification_pipeline.catalog.vocabulary import FailureCategory, Side
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.http import (
    BodyCut,
    BodySilent,
    BodySlow,
    HttpFault,
    ListShifted,
    PageShort,
    PagesLoop,
    Place,
    PoisonPage,
    Refused,
    TokenExpired,
)
from certification_pipeline.harness.nemesis import RESULT, failed_as
from certification_pipeline.harness.services.api import ApiInstance
from certification_pipeline.harness.services.vendor_conduct import Seen

ROWS_A_PAGE = 15
"""The vendor's cap here: a change round of 300 rows has four pages, the whole table twenty."""
UNDOCUMENTED_TRIES = 30
"""Of one page, where the engine's documents name no number: a client that goes on after them has no end."""
SLOW_SECONDS = 1.0

_TRANSPORT = (FailureCategory.CONNECTIVITY, FailureCategory.RESOURCE)
_BROKEN = (*_TRANSPORT, FailureCategory.DATA)
_NONSENSE = (FailureCategory.DATA, FailureCategory.SCHEMA, FailureCategory.CONFLICT)


def too_many_requests(bench: Bench) -> None:
    """429 twice, with both spellings of Retry-After; then 429 for good, without."""
    begin(bench)
    patience = Refused(place(bench), HTTPStatus.TOO_MANY_REQUESTS, ("seconds", "date"))
    _check_waits(bench, disturbed(bench, patience, _TRANSPORT))
    disturbed(bench, Refused(place(bench), HTTPStatus.TOO_MANY_REQUESTS), _TRANSPORT)


def server_errors(bench: Bench) -> None:
    """A burst of three different 5xx; then 500 for good."""
    begin(bench)
    disturbed(bench, Refused(place(bench), HTTPStatus.SERVICE_UNAVAILABLE, ("", "", "")), _TRANSPORT)
    disturbed(bench, Refused(place(bench), HTTPStatus.INTERNAL_SERVER_ERROR), _TRANSPORT)


def reset(bench: Bench) -> None:
    """A page that breaks off in its midst: by a reset, and by an end that comes too early."""
    begin(bench)
    disturbed(bench, BodyCut(place(bench), reset=True), _BROKEN)
    disturbed(bench, BodyCut(place(bench), reset=False), _BROKEN)


def slow(bench: Bench) -> None:
    """A page that comes in drops; a page that stops coming."""
    begin(bench)
    disturbed(bench, BodySlow(place(bench), SLOW_SECONDS), _TRANSPORT)
    disturbed(bench, BodySilent(place(bench)), _BROKEN)


def malformed(bench: Bench) -> None:
    """Status 200, and yet: half a document, a document of another shape, one record that cannot be."""
    begin(bench)
    disturbed(bench, PoisonPage(place(bench), "not_json", "amount"), (*_NONSENSE, *_TRANSPORT))
    disturbed(bench, PoisonPage(place(bench), "wrong_shape", "amount"), _NONSENSE)
    disturbed(bench, PoisonPage(place(bench), "bad_record", "amount"), _NONSENSE)


def token_expiry(bench: Bench) -> None:
    """The load's token ends while the list is read: as it said it would, and long before."""
    begin(bench)
    _check_refreshes(bench, disturbed(bench, TokenExpired(place(bench), announced=True), ()))
    revoked = TokenExpired(place(bench), announced=False)
    course = disturbed(bench, revoked, (FailureCategory.AUTHENTICATION,))
    if course.well:
        _check_refreshes(bench, course)


def shifted(bench: Bench) -> None:
    """While the second page is asked for, rows before it are gone; then, rows before it have come."""
    begin(bench)
    disturbed(bench, ListShifted(place(bench), "deleted"), _NONSENSE)
    disturbed(bench, ListShifted(place(bench), "inserted"), _NONSENSE)


def short_page(bench: Bench) -> None:
    """The second page has a third of the rows that the others have."""
    begin(bench)
    disturbed(bench, PageShort(place(bench), ROWS_A_PAGE // 3), ())


def empty_page(bench: Bench) -> None:
    """The second page has no rows, and a link to the third."""
    begin(bench)
    disturbed(bench, PageShort(place(bench), 0), ())


def loop(bench: Bench) -> None:
    """The second page leads to itself; then, to the first."""
    begin(bench)
    disturbed(bench, PagesLoop(place(bench), "itself"), (*_NONSENSE, FailureCategory.CONFIGURATION))
    disturbed(bench, PagesLoop(place(bench), "earlier"), (*_NONSENSE, FailureCategory.CONFIGURATION))


# --- the steps they share -----------------------------------------------------------------------------


def begin(bench: Bench) -> None:
    """A table of many pages, loaded once in peace."""
    bench.seed("steady")
    vendor(bench).api.conduct(*place(bench)).most_per_page = ROWS_A_PAGE
    bench.load_and_judge()


@dataclass(frozen=True)
class Course:
    """How a load under a fault went: whether it ended well, and what the vendor saw of it."""

    step: str
    well: bool
    seen: tuple[Seen, ...]


def disturbed(bench: Bench, fault: HttpFault, typed: Sequence[FailureCategory]) -> Course:
    """A load under the fault, and one without it when that failed."""
    bench.change()
    before = len(vendor(bench).api.log(bench.station.namespace))
    step = bench.next_step()
    with bench.nemesis.disrupt(fault):
        outcome = bench.load(ends=(RESULT, *failed_as(*typed)))
        well = outcome.end == RESULT
        bench.judge(f"{fault.name}: it ended well" if well else f"{fault.name}: the sink is as it was")
    course = Course(step, well, vendor(bench).api.log(bench.station.namespace)[before:])
    tries = bench.station.claims.tries or UNDOCUMENTED_TRIES
    spoilt = sum(one.fault is not None for one in course.seen)
    bench.record_check(
        CheckJudgement(step=step, name="tries", expected=tries, observed=spoilt, comparison="at_most")
    )
    if not well:
        bench.nemesis.recover("the vendor behaves again")
    return course


def _check_waits(bench: Bench, course: Course) -> None:
    """Between an answer that asked for a wait and the next request: the server's monotonic clock."""
    for asking, following in pairwise(course.seen):
        if asking.asked_seconds is not None:
            bench.record_check(
                CheckJudgement(
                    step=course.step,
                    name="waited_seconds",
                    expected=asking.asked_seconds,
                    observed=round(following.at - asking.answered, 3),
                    comparison="at_least",
                )
            )


def _check_refreshes(bench: Bench, course: Course) -> None:
    """Tokens that were asked for after the first one of the load, which had to be."""
    asked = sum(one.method == "POST" and one.status == HTTPStatus.OK for one in course.seen)
    bench.check(course.step, "token_refreshes", 1, asked - 1)


def vendor(bench: Bench) -> ApiInstance:
    """The API behind the source; plans hold none of these cells for another."""
    instance = bench.station.services.get(Side.SOURCE)
    if not isinstance(instance, ApiInstance):
        raise TypeError(f"{bench.key.source} is no API of ours, and the scenario's `sources` is silent")
    return instance


def place(bench: Bench) -> Place:
    """The cell's collection."""
    return bench.station.namespace, bench.workload.table_name
