"""A ledger is verified in time that grows with its releases, not with their square."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.gates import chain_links
from certification_pipeline.gates.chain_links import read_links, reading_once
from certification_pipeline.gates.verify.evidence import Asked, verify_evidence
from tests.evidence.builders import ENGINE
from tests.gates.releases import decided_release


def test_verifying_reads_a_chain_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decided_release(tmp_path)
    reads = []
    real = chain_links._read
    monkeypatch.setattr(chain_links, "_read", lambda chain: (reads.append(chain.engine), real(chain))[1])
    verify_evidence(Asked(tmp_path, planned=lambda _: ()))
    assert reads == [ENGINE]
    verify_evidence(Asked(tmp_path, planned=lambda _: ()))
    assert reads == [ENGINE, ENGINE]  # nothing is remembered from one to the next


def test_what_was_read_is_forgotten_afterwards(tmp_path: Path) -> None:
    decided_release(tmp_path)
    chain = ChainDir(tmp_path, ENGINE)
    with reading_once():
        assert read_links(chain).problems == ()
        entry = next((tmp_path / "chain" / ENGINE).glob("000001__*"))
        entry.write_bytes(entry.read_bytes().replace(b"passed", b"failed"))
        assert read_links(chain).problems == ()
    assert read_links(chain).problems
