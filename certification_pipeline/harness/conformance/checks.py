"""What a driver is asked, as data, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from certification_pipeline.catalog.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the protocol asks of a driver; ``remedy`` is for whoever writes it."""

    id: str
    asks: str
    remedy: str


CHECKS: tuple[Check, ...] = (
    Check(
        "describe.answers",
        "`describe` is answered within 30 s by `described`, in protocol version 1",
        "answer one line: type, protocol, engine, version; move slow imports behind it",
    ),
    Check(
        "describe.name",
        "the engine in `described` is the catalogue's id, or the package or folder its entry names",
        "name the engine as its folder is called, or set driver.distribution",
    ),
    Check(
        "describe.digest",
        "what was installed is known by a digest, and one that is told is sha256:<64 hex digits>",
        "leave artifact_digest out, or give sha256 over what is installed",
    ),
    Check(
        "load.result",
        "a load of a small table ends in `result`",
        "see the message; stderr of the driver tells more",
    ),
    Check(
        "load.run_id",
        "events and record name the run that was asked",
        "echo run_id of the request in every event and in the record",
    ),
    Check(
        "load.rows",
        "afterwards the sink holds the source's rows, by an independent look",
        "write to <namespace>.<name> at the sink's dsn, and commit before `result`",
    ),
    Check(
        "load.counts",
        "row counts in the record are the sink's; a count may be left out",
        "report what was moved, or leave the field out: None means 'not reported'",
    ),
    Check(
        "load.again",
        "a second load in the same process, after changes at the source, is right, too",
        "serve requests in a loop until `stop`; keep nothing of one load for the next",
    ),
    Check(
        "refuses.strategy",
        "a strategy nobody knows is answered with `error: unsupported`",
        "refuse every strategy that you do not name; never fall back to another",
    ),
    Check(
        "refuses.option",
        "an option that cannot be honoured (a replay of an unknown kind) is `error: unsupported`",
        "refuse options.replay unless you do it: a replay taken for a load moves the wrong rows",
    ),
    Check(
        "fails.not_found",
        "a source table that is not there is `error: not_found`",
        "tell a missing table apart from other failures of the source",
    ),
    Check(
        "fails.connectivity",
        "a source where nobody listens is `error: connectivity`",
        "tell a refused connection apart, and give up within a minute",
    ),
    Check(
        "fails.authentication",
        "a refused password is `error: authentication`",
        "tell a refused login apart from a refused connection",
    ),
    Check(
        "survives.unknown_field",
        "a request with a field of tomorrow is served or refused, and the driver lives",
        "ignore fields you do not know",
    ),
    Check(
        "survives.garbage",
        "after lines that are no request it still answers `describe`",
        "answer `error` with an empty run_id, or skip the line",
    ),
    Check(
        "load.after_failures",
        "after all of these a load is right again",
        "close connections of failed loads; leave no locks, and no staging tables in the way",
    ),
    Check("stop.ends", "`stop` ends it within 3 s", "leave the loop at `stop` and at the end of input"),
    Check(
        "kill.leaves_nothing",
        "killed in the midst of a load, none of its processes is left",
        "start children in the driver's own process group; let none detach with a clean environment",
    ),
    Check(
        "state.lost",
        "with its state directory lost, a load is right, or says `error: state`",
        "make the directory's files anew; refuse what cannot be done without them",
    ),
    Check(
        "stdout.protocol",
        "on stdout stood nothing but lines of the protocol",
        "send logs to stderr; libraries that print need stdout pointed elsewhere",
    ),
    Check(
        "secrets.kept",
        "no password of a DSN in any event, record or log line",
        "never print a DSN; take libraries' messages apart before they become an `error`",
    ),
)
_BY_ID = {check.id: check for check in CHECKS}


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one check; ``seen`` is a line for people, without secrets."""

    check: Check
    outcome: Outcome
    seen: str


@dataclass
class Report:
    """Every check once, in their order: those that were not reached are ``untested``."""

    engine: str
    version: str = ""
    route: str = ""
    strategy: str = ""
    not_reached: str = "not reached"
    _found: dict[str, Checked] = field(default_factory=dict)

    def add(self, check: str, held: bool | Outcome, seen: str) -> bool:
        """Record a check; the first failure of one stays. Returns whether it held."""
        outcome = held if isinstance(held, Outcome) else Outcome.PASSED if held else Outcome.FAILED
        before = self._found.get(check)
        if before is None or before.outcome is not Outcome.FAILED:
            self._found[check] = Checked(_BY_ID[check], outcome, seen)
        return outcome is Outcome.PASSED

    def __iter__(self) -> Iterator[Checked]:
        for check in CHECKS:
            yield self._found.get(check.id) or Checked(check, Outcome.UNTESTED, self.not_reached)

    @property
    def outcome(self) -> Outcome:
        """The worst of all."""
        return Outcome.worst(one.outcome for one in self)
