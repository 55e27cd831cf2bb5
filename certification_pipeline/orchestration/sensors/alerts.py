"""Four sensors that tell people: each looks at one kind of alert, and its tick says what became of it.

They start nothing. Whatever they do, `certify notify` does too; who was told is recorded below the evidence
root, so that a tick that is evaluated twice, or a daemon that is killed, tells nobody twice.
"""

import hashlib
import json
from typing import NamedTuple

import dagster as dg

from certification_pipeline.alerts.kinds import Alert
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.notify import words
from certification_pipeline.notify.configured import Configured, configured
from certification_pipeline.notify.delivery import State
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.names import PLAN
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.timetable import SCHEDULE_KEPT
from certification_pipeline.timetable import Timetable

NOBODY = "Nobody is told: no receiver is configured (docs/notifications.md)."
_TITLES = 5


class _Watch(NamedTuple):
    name: str
    alert: Alert
    seconds: int
    description: str
    by_the_hour: bool
    """Becomes so by the mere passing of time, too."""


_WATCHES = (
    _Watch(
        "red_gate",
        Alert.RED_GATE,
        60,
        "Tells of a release that may not go out, and of one that is green again.",
        False,
    ),
    _Watch(
        "demotion",
        Alert.LEVELS,
        300,
        "Tells of levels that were lost, suspended, put under notice, or gained.",
        True,
    ),
    _Watch(
        "expiring_evidence", Alert.EXPIRING, 1800, "Tells once a day of evidence that expires soon.", True
    ),
    _Watch(
        "missed_tick",
        Alert.MISSED_TICKS,
        300,
        "Tells of a scheduled day that nobody observed, and marks it on `plan` (`schedule_kept`).",
        True,
    ),
)


def alert_sensors(times: Timetable) -> list[dg.SensorDefinition]:
    """On when somebody is to be told; ``missed_tick`` always: without it a missed day would show nowhere.

    Raises ``SettingsError`` for a wrong variable: the code location then does not load and says why.
    """
    anybody = bool(configured().receivers)
    return [_sensor(watch, times, on=anybody or watch.alert is Alert.MISSED_TICKS) for watch in _WATCHES]


def _sensor(watch: _Watch, times: Timetable, *, on: bool) -> dg.SensorDefinition:
    @dg.sensor(
        name=watch.name,
        minimum_interval_seconds=watch.seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description=watch.description,
    )
    def tell(context: dg.SensorEvaluationContext, certification: CertificationResource) -> dg.SensorResult:
        with told_plainly():
            store, to, now = certification.store(), configured(), utc_now()
            seen = _fingerprint(store, to, late.hour_of(times, now) if watch.by_the_hour else "")
            before = _Cursor.read(context.cursor)
            if before.seen == seen:
                return dg.SensorResult(skip_reason=before.again(), cursor=context.cursor)
            try:
                done = late.notify_once(certification.settings(), (watch.alert,), receivers=to, now=now)
            except EvidenceError as error:  # another pass, or nothing can be written: the next tick
                return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
            told = in_words(done)
            if done.failed:
                context.log.warning(told)
            else:
                context.log.info(told)
            whole = not done.failed and not done.due.problems
            found = late.judge_if_any(store, now, times) if watch.alert is Alert.MISSED_TICKS else None
            mark = f"{found.passed} {found.severity} {found.description}" if found else ""
            after = _Cursor(told, f"{now:%Y-%m-%d %H:%M}", mark, seen if whole else "")
            return dg.SensorResult(
                skip_reason=told,
                cursor=after.written(),
                # Once a change: Dagster keeps every evaluation.
                asset_events=[_evaluation(found)] if found and mark != before.mark else [],
            )

    return tell


class _Cursor(NamedTuple):
    """What the sensor's page shows.

    ``mark``: the newest evaluation of ``schedule_kept`` that was reported. ``seen``: what the evidence looked
    like when everything was told; empty: not everything was.
    """

    told: str = ""
    at: str = ""
    mark: str = ""
    seen: str = ""

    @classmethod
    def read(cls, text: str | None) -> "_Cursor":
        try:
            found = json.loads(text or "{}")
            return cls(*(str(found[name]) for name in cls._fields))
        except (ValueError, KeyError, TypeError):
            return cls()  # of another version, or somebody's own: look again

    def written(self) -> str:
        return json.dumps(self._asdict())

    def again(self) -> str:
        """Nothing is new; what was last said."""
        return f"Nothing has changed since {self.at} UTC. Then: {self.told}"


def in_words(done: "late.Passed") -> str:
    """What the tick's page shows."""
    said = []
    for state, how in (
        (State.SENT, "Told {}"),
        (State.GIVEN_UP, "Given up on {}"),
        (State.FAILED, "Could not tell {}"),
        (State.LATER, "Not yet told {}"),
    ):
        those = [one for one in done.told if one.state is state]
        if those:
            whom = ", ".join(dict.fromkeys(one.receiver for one in those))
            titles = list(dict.fromkeys(words.title(one.notice) for one in those))
            more = f" (and {len(titles) - _TITLES} more)" if len(titles) > _TITLES else ""
            why = next((f" [{one.why}]" for one in those if one.why), "")
            said.append(f"{how.format(whom)}{why}: {'; '.join(titles[:_TITLES])}{more}.")
    said += [f"Could not be looked at: {problem}" for problem in done.due.problems]
    if not done.receivers:
        waiting = "; ".join(words.title(one) for one in done.due.notices[:_TITLES])
        said.append(f"{NOBODY} There would be: {waiting}." if waiting else NOBODY)
    elif not said:
        known = len(done.due.notices)
        said.append(
            f"{known} notice{'s' * (known != 1)}, all told before." if known else "Nothing is worth a notice."
        )
    return " ".join(said)


def _evaluation(found: "late.Judged") -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(asset_key=PLAN, check_name=SCHEDULE_KEPT, **found._asdict())


def _fingerprint(store: EvidenceStore, to: Configured, hour: str) -> str:
    """Of everything that could change what is told: names, sizes and times of files, not what is in them."""
    parts = [hour, ",".join(one.name for one in to.receivers), repr(to.settings.model_dump(mode="json"))]
    for release in store.releases():
        for engine in store.engines(release):
            directory = store.release(release, engine)
            for path in (directory.plan_path, directory.summary_path):
                try:
                    stat = path.lstat()
                except OSError:
                    continue
                parts.append(f"{release} {engine} {path.name} {stat.st_mtime_ns} {stat.st_size}")
    for head in sorted((store.root / layout.CHAIN).glob(f"*/{layout.CHAIN_HEAD}")):
        try:
            parts.append(f"{head.parent.name} {head.lstat().st_mtime_ns}")
        except OSError:
            continue
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
