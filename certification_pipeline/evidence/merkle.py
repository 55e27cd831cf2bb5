"""Merkle trees over a list of entries: their root, inclusion proofs, consistency proofs (RFC 9162, 2.1).

A root of 32 bytes binds every entry, its place and their number. An inclusion proof shows that an entry is
below a root, a consistency proof that a tree only grew; both take about log2(size) hashes, and neither needs
the other entries. Leaves and nodes are hashed apart (``0x00``, ``0x01``), so that no node passes for a leaf.

Works on *leaf hashes* (:func:`leaf_hash` of an entry's bytes). Knows nothing of what an entry is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Hash = bytes
"""32 bytes of SHA-256."""

HASH_BYTES = 32
EMPTY_ROOT: Hash = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> Hash:
    """The hash of one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves: Sequence[Hash]) -> Hash:
    """The root over some leaf hashes, in linear time and logarithmic memory beside them (RFC 9162, 2.1.2)."""
    return peak_root(peaks_of(leaves))


def peaks_of(leaves: Sequence[Hash]) -> tuple[Hash, ...]:
    """Roots of the perfect trees that ``leaves`` make, largest first: one for every 1-bit of their number."""
    peaks: tuple[Hash, ...] = ()
    for number, leaf in enumerate(leaves):
        peaks = peaks_with(peaks, number, leaf)
    return peaks


def peaks_with(peaks: Sequence[Hash], size: int, leaf: Hash) -> tuple[Hash, ...]:
    """Those of ``size`` leaves, and one leaf more. Reversed, ``peaks`` is the leaf's inclusion proof."""
    stack = [*peaks, leaf]
    while size & 1:
        right = stack.pop()
        stack[-1] = node_hash(stack[-1], right)
        size >>= 1
    return tuple(stack)


def peak_root(peaks: Sequence[Hash]) -> Hash:
    """The root over the leaves that make these perfect trees."""
    if not peaks:
        return EMPTY_ROOT
    *rest, root = peaks
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def inclusion_proof(index: int, leaves: Sequence[Hash]) -> tuple[Hash, ...]:
    """The path from leaf ``index`` (from 0) to the root over ``leaves``; ``IndexError`` beyond them."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} among {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(index, leaves[:split]), tree_hash(leaves[split:]))
    return (*inclusion_proof(index - split, leaves[split:]), tree_hash(leaves[:split]))


def includes(leaf: Hash, index: int, size: int, path: Sequence[Hash], root: Hash) -> bool:
    """Whether ``path`` proves that ``leaf`` is number ``index`` of the ``size`` below ``root`` (2.1.3.2)."""
    if not 0 <= index < size or not _all_hashes(leaf, root, *path):
        return False
    at, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            computed = node_hash(sibling, computed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and computed == root


def consistency_proof(first: int, leaves: Sequence[Hash]) -> tuple[Hash, ...]:
    """What shows that the tree over ``leaves`` begins with its first ``first`` of them (RFC 9162, 2.1.4.1).

    ``IndexError`` for more than there are. Nothing need be proved of the empty tree, nor of the same.
    """
    if not 0 <= first <= len(leaves):
        raise IndexError(f"no {first} leaves among {len(leaves)}")
    return _subproof(first, leaves, whole=True) if first else ()


def extends(first: int, second: int, first_root: Hash, second_root: Hash, proof: Sequence[Hash]) -> bool:
    """Whether ``proof`` shows that the tree of ``second`` leaves begins with that of ``first`` (2.1.4.2)."""
    if not 0 <= first <= second or not _all_hashes(first_root, second_root, *proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:  # every tree begins with the empty one
        return not proof and first_root == EMPTY_ROOT
    steps = list(proof)
    if first & (first - 1) == 0:  # a power of two: its root is a node of the second tree
        steps.insert(0, first_root)
    if not steps:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _subproof(first: int, leaves: Sequence[Hash], *, whole: bool) -> tuple[Hash, ...]:
    if first == len(leaves):
        return () if whole else (tree_hash(leaves),)
    split = _split(len(leaves))
    if first <= split:
        return (*_subproof(first, leaves[:split], whole=whole), tree_hash(leaves[split:]))
    return (*_subproof(first - split, leaves[split:], whole=False), tree_hash(leaves[:split]))


def _split(size: int) -> int:
    """The largest power of two below ``size`` (at least 2)."""
    return 1 << (size - 1).bit_length() - 1


def _all_hashes(*given: bytes) -> bool:
    return all(len(each) == HASH_BYTES for each in given)
