"""Who holds a key is not satisfied with a signature over less than there is."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.gates.chain_checkpoint import see_checkpoint, signature
from certification_pipeline.gates.chain_links import Tampering, read_links
from tests.evidence.builders import ENGINE
from tests.ledger.chains import Pen, entry, grow


def test_an_entry_slipped_in_behind_a_signed_checkpoint_is_red_with_the_key(tmp_path: Path) -> None:
    pen = Pen()
    links = grow(tmp_path, "r1", "r2", pen=pen)
    chain = ChainDir(tmp_path, ENGINE)
    assert signature(chain, links, see_checkpoint(chain, links), [pen.public_key]) == ([], "")
    chain.add(entry(links, "r3"))  # as a killed writer leaves it, or somebody who looks like one
    links = read_links(chain)
    assert links.interrupted
    assert links.problems == ()
    [problem], note = signature(chain, links, see_checkpoint(chain, links), [pen.public_key])
    assert problem.kind is Tampering.UNSIGNED
    assert problem.message == "the signed checkpoint counts 2 entries, entry 3 is not under it"
    assert note == ""
    assert signature(chain, links, see_checkpoint(chain, links), [])[0] == []
