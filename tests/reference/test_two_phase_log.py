"""The coordinator's log: whatever is cut off its end, no decision is lost and none is made up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.two_phase import log as log_module
from certification_pipeline.reference.two_phase.log import Decision, DecisionLog

A, B = "sink a", 'sink "b"\nof two lines'
STEPS = st.lists(
    st.tuples(st.sampled_from(["begin only", "prepared", "commit", "abort"]), st.booleans()), max_size=5
)


def write(path: Path, history: list[tuple[str, bool]]) -> list[tuple[int, str, str]]:
    """Transactions that came so far; (bytes after which it stands, gid, event) of each durable record."""
    marks: list[tuple[int, str, str]] = []
    with DecisionLog(path, fsync=lambda _: None) as log:
        for number, (far, done) in enumerate(history):
            gid = f"certify:p:{number}"
            log.begin(gid, (A, B))
            marks.append((path.stat().st_size, gid, "begin"))
            if far == "begin only":
                continue
            if far != "abort":
                log.prepared(gid, {A: "1", B: ""})
                marks.append((path.stat().st_size, gid, "prepared"))
            if far in ("commit", "abort"):
                log.decide(gid, Decision(far))
                marks.append((path.stat().st_size, gid, far))
                if done:
                    log.done(gid)
                    marks.append((path.stat().st_size, gid, "done"))
    return marks


def known(log: DecisionLog, gid: str) -> set[str]:
    found = log.find(gid)
    if found is None:
        return set()
    events = {"begin"}
    events |= {"prepared"} if found.tokens else set()
    events |= {str(found.decision)} if found.decision else set()
    return events | ({"done"} if found.done else set())


def cut(path: Path, data: bytes, end: int, torn: bytes, marks: list[tuple[int, str, str]]) -> None:
    """The log as it is when only so much of it got to the disk."""
    path.write_bytes(data[:end] + torn)
    with DecisionLog(path, fsync=lambda _: None) as log:
        for gid in {gid for _, gid, _ in marks}:
            assert known(log, gid) == {event for at, of, event in marks if of == gid and at <= end}
        log.begin("certify:p:next", (A,))
    with DecisionLog(path, fsync=lambda _: None) as log:
        assert log.find("certify:p:next"), "what is written after a torn line can be read"


def test_cut_at_every_byte(tmp_path: Path) -> None:
    marks = write(tmp_path / "log", [("commit", True), ("abort", True), ("commit", False)])
    data = (tmp_path / "log").read_bytes()
    for end in range(len(data) + 1):
        cut(tmp_path / "cut", data, end, b"", marks)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=STEPS, torn=st.binary(max_size=3), at=st.floats(0, 1))
def test_cut_anywhere_in_any_history(
    tmp_path: Path, history: list[tuple[str, bool]], torn: bytes, at: float
) -> None:
    (tmp_path / "log").unlink(missing_ok=True)
    marks = write(tmp_path / "log", history)
    data = (tmp_path / "log").read_bytes()
    cut(tmp_path / "cut", data, round(at * len(data)), torn.replace(b"\n", b""), marks)


@pytest.mark.parametrize("place", [0, 3, 9, 20])
def test_damage_before_the_end_is_an_error(tmp_path: Path, place: int) -> None:
    write(tmp_path / "log", [("commit", True), ("commit", False)])
    data = bytearray((tmp_path / "log").read_bytes())
    data[place] ^= 1
    (tmp_path / "log").write_bytes(data)
    with pytest.raises(LoadError, match="line 1 of the coordinator log is damaged") as caught:
        DecisionLog(tmp_path / "log")
    assert caught.value.category is FailureCategory.STATE


def test_what_is_read_is_forced_before_it_is_believed(tmp_path: Path) -> None:
    write(tmp_path / "log", [("commit", False)])
    forced: list[int] = []
    with DecisionLog(tmp_path / "log", fsync=forced.append):
        assert forced


def test_a_write_that_fails_leaves_no_half_line(tmp_path: Path) -> None:
    def full(_: int) -> None:
        raise OSError(28, "no space left on device")

    write(tmp_path / "log", [("prepared", False)])
    with DecisionLog(tmp_path / "log") as log:
        before = (tmp_path / "log").read_bytes()
        log._fsync = full
        with pytest.raises(OSError, match="no space"):
            log.decide("certify:p:0", Decision.COMMIT)
        assert (tmp_path / "log").read_bytes() == before
        [pending] = log.pending()
        assert pending.decision is None


def test_a_decision_is_final(tmp_path: Path) -> None:
    write(tmp_path / "log", [("commit", False)])
    with DecisionLog(tmp_path / "log") as log:
        log.decide("certify:p:0", Decision.COMMIT)
        with pytest.raises(ValueError, match="decided already: commit"):
            log.decide("certify:p:0", Decision.ABORT)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with DecisionLog(tmp_path / "log"):
        with pytest.raises(LoadError, match="another process") as caught:
            DecisionLog(tmp_path / "log")
        assert caught.value.category is FailureCategory.CONFLICT
    with DecisionLog(tmp_path / "log"):
        pass


def test_a_long_log_is_written_anew_with_what_is_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "COMPACT_BYTES", 100)
    write(tmp_path / "log", [("commit", True), ("commit", False), ("prepared", False), ("abort", True)])
    with DecisionLog(tmp_path / "log") as log:
        before = {one.gid: one for one in log.pending()}
        log.compact()
        assert log.find("certify:p:0") is None
        log.done("certify:p:2")
        with pytest.raises(LoadError, match="another process"):
            DecisionLog(tmp_path / "log")
    with DecisionLog(tmp_path / "log") as log:
        assert {one.gid: one for one in log.pending()} == {"certify:p:1": before["certify:p:1"]}
