"""RFC 9162's trees: known vectors, and that every proof proves and no altered one does."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.evidence.merkle import (
    EMPTY_ROOT,
    Hash,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_hash,
)

# The reference data of Certificate Transparency (RFC 6962), which RFC 9162's hashing shares.
ENTRIES = list(
    map(
        bytes.fromhex,
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"],
    )
)
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = {
    (0, 1): [],
    (0, 2): [A],
    (1, 2): [ROOTS[1]],
    (0, 8): [A, B, C],
    (5, 8): [D, E, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], B, D],
}
CONSISTENCY = {(1, 1): [], (1, 8): [A, B, C], (6, 8): [F, E, ROOTS[4]], (2, 5): [B, D]}

LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def hexes(hashes: tuple[Hash, ...]) -> list[str]:
    return [each.hex() for each in hashes]


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    assert tree_hash(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("place", "path"), INCLUSION.items())
def test_known_inclusion_proofs(place: tuple[int, int], path: list[str]) -> None:
    index, size = place
    assert hexes(inclusion_proof(index, LEAVES[:size])) == path
    assert includes(LEAVES[index], index, size, [bytes.fromhex(x) for x in path], bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("sizes", "path"), CONSISTENCY.items())
def test_known_consistency_proofs(sizes: tuple[int, int], path: list[str]) -> None:
    first, second = sizes
    assert hexes(consistency_proof(first, LEAVES[:second])) == path
    one, two = bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second])
    assert extends(first, second, one, two, [bytes.fromhex(x) for x in path])


def test_the_fast_tree_hash_is_the_definition() -> None:
    def defined(entries: list[bytes]) -> Hash:
        if not entries:
            return hashlib.sha256(b"").digest()
        if len(entries) == 1:
            return hashlib.sha256(b"\0" + entries[0]).digest()
        split = max(1 << bit for bit in range(20) if 1 << bit < len(entries))
        return hashlib.sha256(b"\1" + defined(entries[:split]) + defined(entries[split:])).digest()

    entries = [bytes([at % 256]) * (at % 5) for at in range(130)]
    leaves = [leaf_hash(entry) for entry in entries]
    for size in range(130):
        assert tree_hash(leaves[:size]) == defined(entries[:size])


def test_every_proof_of_every_size_up_to_40_verifies_and_at_no_other_place() -> None:
    leaves = [leaf_hash(bytes([at])) for at in range(40)]
    roots = [tree_hash(leaves[:size]) for size in range(41)]
    for size in range(1, 41):
        for index in range(size):
            path = inclusion_proof(index, leaves[:size])
            proves = [at for at in range(size) if includes(leaves[index], at, size, path, roots[size])]
            assert proves == [index]
        for first in range(size + 1):
            proof = consistency_proof(first, leaves[:size])
            proves = [at for at in range(size + 1) if extends(at, size, roots[at], roots[size], proof)]
            # An empty proof says two trees are one, or that a tree extends the empty one.
            assert proves == ([0, size] if not proof else [first])


def distinct(count: int) -> list[Hash]:
    return [leaf_hash(at.to_bytes(4, "big")) for at in range(count)]


many = settings(max_examples=40, deadline=None, database=None)
sizes = st.integers(1, 400)


def altered(data: st.DataObject, proof: tuple[Hash, ...]) -> list[Hash] | None:
    """One step flipped, taken out, repeated or moved; ``None`` when that changes nothing."""
    if not proof:
        return [distinct(1)[0]]
    steps = list(proof)
    at = data.draw(st.integers(0, len(steps) - 1))
    match data.draw(st.sampled_from(["flip", "drop", "repeat", "move", "shorten"])):
        case "flip":
            bit = data.draw(st.integers(0, 255))
            value = bytearray(steps[at])
            value[bit // 8] ^= 1 << bit % 8
            steps[at] = bytes(value)
        case "drop":
            del steps[at]
        case "repeat":
            steps.insert(at, steps[at])
        case "move":
            steps.append(steps.pop(at))
        case _:
            steps[at] = steps[at][:-1]
    return None if tuple(steps) == proof else steps


@many
@given(data=st.data(), size=sizes)
def test_no_altered_inclusion_proof_verifies(data: st.DataObject, size: int) -> None:
    leaves = distinct(size)
    index = data.draw(st.integers(0, size - 1))
    root, path = tree_hash(leaves), inclusion_proof(index, leaves)
    assert includes(leaves[index], index, size, path, root)
    other = leaf_hash(b"other")
    assert not includes(other, index, size, path, root)
    assert not includes(leaves[index], index, size, path, other)
    assert not includes(leaves[index], size, size, path, root)
    assert not includes(leaves[index], -1, size, path, root)
    steps = altered(data, path)
    assert steps is None or not includes(leaves[index], index, size, steps, root)
    forged = list(leaves)
    forged[data.draw(st.integers(0, size - 1))] = other
    assert not includes(leaves[index], index, size, path, tree_hash(forged))


@many
@given(data=st.data(), size=sizes)
def test_no_altered_consistency_proof_verifies(data: st.DataObject, size: int) -> None:
    leaves = distinct(size)
    first = data.draw(st.integers(1, size))
    one, two, proof = tree_hash(leaves[:first]), tree_hash(leaves), consistency_proof(first, leaves)
    assert extends(first, size, one, two, proof)
    other = leaf_hash(b"other")
    assert not extends(first, size, other, two, proof)
    assert not extends(first, size, one, other, proof)
    assert first == size or not extends(size, first, two, one, proof)
    steps = altered(data, proof)
    assert steps is None or not extends(first, size, one, two, steps)
    forged = list(leaves)
    forged[data.draw(st.integers(0, first - 1))] = other
    assert not extends(first, size, one, tree_hash(forged), consistency_proof(first, forged))


def test_a_node_is_no_leaf() -> None:
    """Without the two prefixes a tree of two could be passed off as one leaf of that content."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


def test_places_beyond_the_tree_are_errors() -> None:
    for ask in (lambda: inclusion_proof(2, LEAVES[:2]), lambda: consistency_proof(3, LEAVES[:2])):
        with pytest.raises(IndexError):
            ask()
    assert tree_hash([]) == EMPTY_ROOT
    assert consistency_proof(0, LEAVES) == ()
    assert extends(0, 8, EMPTY_ROOT, bytes.fromhex(ROOTS[8]), ())
    assert not extends(0, 8, LEAVES[0], bytes.fromhex(ROOTS[8]), ())
