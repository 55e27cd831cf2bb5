"""A ledger is verified in time that grows with its releases, not with their square."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.gates import chain_links
from certification_pipeline.gates.chain_links import READ, read_links
from certification_pipeline.gates.levels import reading
from certification_pipeline.gates.verify.evidence import Asked, verify_evidence
from certification_pipeline.gates.verify.judge import Held
from tests.evidence.builders import ENGINE
from tests.gates.releases import decided_release
from tests.levels.ledgers import released


def test_verifying_reads_a_chain_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decided_release(tmp_path)
    reads = []
    real = chain_links._read
    monkeypatch.setattr(chain_links, "_read", lambda chain: (reads.append(chain.engine), real(chain))[1])
    verify_evidence(Asked(tmp_path, planned=lambda *_: Held()))
    assert reads == [ENGINE]
    verify_evidence(Asked(tmp_path, planned=lambda *_: Held()))
    assert reads == [ENGINE, ENGINE]  # nothing is remembered from one to the next


def test_levels_recompute_every_release_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the release, and as of now."""
    for day in range(3):
        released(tmp_path, day)
    seen = []
    real = reading._recomputed
    monkeypatch.setattr(reading, "_recomputed", lambda d, e: (seen.append(e.release_id), real(d, e))[1])
    asked = Asked(tmp_path, planned=lambda *_: Held())
    verify_evidence(asked)
    assert seen == ["release-00", "release-01", "release-02"]
    verify_evidence(asked)
    assert len(seen) == 6  # nothing is remembered from one to the next


def test_what_was_read_is_forgotten_afterwards(tmp_path: Path) -> None:
    decided_release(tmp_path)
    chain = ChainDir(tmp_path, ENGINE)
    with READ.remembering():
        assert read_links(chain).problems == ()
        entry = next((tmp_path / "chain" / ENGINE).glob("000001__*"))
        entry.write_bytes(entry.read_bytes().replace(b"passed", b"failed"))
        assert read_links(chain).problems == ()
    assert read_links(chain).problems
