"""Artifact index, evidence chain and release summary: what is said to be tamper-evident.

dpone's chain hashes an index, not the artifacts: an edited artifact passes ``evidence-chain-verify``. Here
every item of the index is hashed again. It has no key and no anchor either, so that whoever can write the
folder can write a chain that holds; this is why a chain that recomputes is still not passed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

from certification_pipeline.evidence.foreign.claims import ForeignClaim
from certification_pipeline.evidence.foreign.dpone.decided import (
    ArtifactIndex,
    ChainEntry,
    ChainIndex,
    Plan,
    ReleaseSummary,
    SummaryItem,
)
from certification_pipeline.gates.foreign.claiming import (
    agrees,
    contradicts,
    examples,
    held,
    not_here,
    nothing,
    unproven,
)
from certification_pipeline.gates.foreign.dpone.bundles import whole
from certification_pipeline.gates.foreign.dpone.look import Item, Look

NO_KEY = "no key and no anchor: whoever can write the folder can write a chain that holds"
SUMMARY_ITEMS = (
    "replay_evidence_chain",
    "matrix_certification_suite",
    "matrix_evidence_chain",
    "connector_certification_suite",
    "connector_evidence_chain",
)
_CHAIN_INDEX = "evidence_chain_index.json"


def artifact_index(index: ArtifactIndex, path: str, look: Look) -> Iterator[ForeignClaim]:
    """Every file it lists, hashed again; told together, as there may be thousands."""
    items = index.items
    yield held("total_artifacts", index.total_artifacts, len(items), "as listed", "others are listed")
    size = sum(item.size_bytes for item in items)
    yield held("total_bytes", index.total_bytes, size, "as listed", "the sizes listed add up otherwise")
    twice = [name for name, count in Counter(item.path for item in items).items() if count > 1]
    if twice:
        yield contradicts(
            "items", len(items), len({item.path for item in items}), f"twice: {examples(twice)}"
        )
    same, gone = 0, []
    for item in items:
        listed = Item(f"items[{item.relative_path}]", item.path, item.sha256, path)
        for claim in listed.claims(look, None):
            if claim.recomputed is None:
                gone.append(item.relative_path)
            elif claim.recomputed == claim.stated:
                same += 1
            else:
                yield claim
    if same:
        yield agrees("items[].sha256", same, "the files have these digests")
    if gone:
        yield not_here("items[].sha256", len(gone), f"not in the folder, or not as named: {examples(gone)}")
    red = [item.relative_path for item in items if item.passed is False]
    if index.passed:
        yield (
            contradicts("passed", True, False, f"it lists what did not pass: {examples(red)}")
            if red
            else unproven("passed", True, "says only that no file it lists says `passed: false`")
        )
    else:
        yield held("passed", False, not red, "as listed", "nothing it lists did not pass")


def chain_hash(entry: ChainEntry) -> str:
    """dpone's own formula: four fields, and none of them an artifact's digest."""
    content = {
        "artifact_index_hash": entry.artifact_index_hash,
        "created_at": entry.created_at,
        "previous_chain_hash": entry.previous_chain_hash,
        "release": entry.release,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def chain_entry(entry: ChainEntry, path: str, look: Look) -> Iterator[ForeignClaim]:
    """One link, and the index it hashes."""
    yield _hash(entry, "")
    index = Item("artifact_index", entry.artifact_index_path, entry.artifact_index_hash, path)
    yield from index.claims(look, None)
    found = index.content(look)
    there = look.examined(found) if found else None
    if there is not None and isinstance(there.model, ArtifactIndex):
        edited = [
            claim.claim.removeprefix("items[").partition("]")[0]
            for claim in there.artifact.claims
            if claim.claim.startswith("items[")
            and claim.recomputed is not None
            and claim.recomputed != claim.stated
        ]
        if edited:
            why = f"changed since: {examples(edited)}; dpone's own check hashes the index only"
            yield contradicts("artifacts under the index", len(there.model.items), len(edited), why)
        if there.model.release != entry.release:
            yield contradicts("release", entry.release, there.model.release, f"{found} is of another release")
    yield unproven("verified", entry.verified, f"written as true when the entry is made; {NO_KEY}")


def chain_index(index: ChainIndex, path: str, look: Look) -> Iterator[ForeignClaim]:
    """All links, in order."""
    entries = index.entries
    yield held("entry_count", index.entry_count, len(entries), "as listed", "others are listed")
    last = entries[-1].chain_hash if entries else None
    yield held(
        "latest_chain_hash", index.latest_chain_hash, last, "of the last entry", "the last entry's is another"
    )
    previous: str | None = None
    for number, entry in enumerate(entries):
        where = f"entries[{number}]."
        yield _hash(entry, where)
        if entry.previous_chain_hash != previous:
            why = "is not the hash of the entry before it: one was left out, moved or put in"
            yield contradicts(f"{where}previous_chain_hash", entry.previous_chain_hash, previous, why)
        previous = entry.chain_hash
        named = look.folder.named(entry.entry_path, path)
        there = look.examined(named.path) if named else None
        if named is None or there is None:
            yield not_here(f"{where}entry_path", entry.entry_path, "is not in the folder")
        elif there.model != entry:
            yield contradicts(f"{where}entry_path", entry.entry_path, named.path, "the file says otherwise")
        else:
            yield agrees(f"{where}entry_path", entry.entry_path, f"is {named.path}")
    if entries:
        yield unproven("the chain", len(entries), NO_KEY)
    else:
        yield unproven("the chain", 0, "it has no entry")


def release_summary(summary: ReleaseSummary, path: str, look: Look) -> Iterator[ForeignClaim]:
    """``dpone ops release-summary``: five items, all of them."""
    items = {item.name: item for item in summary.items}
    lacking = [name for name in SUMMARY_ITEMS if name not in items]
    if lacking:
        why = f"dpone writes five items; not there: {examples(lacking)}"
        yield contradicts("items", len(summary.items), len(SUMMARY_ITEMS), why)
    for item in summary.items:
        at = f"{item.path}/{_CHAIN_INDEX}" if item.kind == "evidence_chain" else item.path
        named = Item(f"items[{item.name}]", at, item.sha256, path)
        yield from named.claims(look, item.passed)
    made = [f"{item.name}.{_blocked(item)}" for item in summary.items if not item.passed]
    if sorted(made) == sorted(summary.blockers):
        yield agrees("blockers", len(made), "follow from the items")
    else:
        other = sorted(set(made) ^ set(summary.blockers))
        yield contradicts(
            "blockers", len(summary.blockers), len(made), f"the items say otherwise: {examples(other)}"
        )
    yield whole(summary.passed, [item.passed for item in summary.items], summary.blockers)


def _blocked(item: SummaryItem) -> str:
    if item.missing:
        return "missing"
    return "not_verified" if item.kind == "evidence_chain" else "not_passed"


def plan(found: Plan, path: str, look: Look) -> Iterator[ForeignClaim]:
    """``dpone ops certification-automation-plan``: a list of commands nobody can run as they stand."""
    yield held("step_count", found.step_count, len(found.steps), "as listed", "others are listed")
    names = {file.rpartition("/")[2] for file in look.folder.files}
    lacking = [name for name in found.required_artifacts if name not in names]
    there = len(found.required_artifacts) - len(lacking)
    if lacking:
        why = f"{there} of {len(found.required_artifacts)} are in the folder; not there: {examples(lacking)}"
        yield not_here("required_artifacts", len(found.required_artifacts), why)
    else:
        yield agrees("required_artifacts", there, "a file of each name is in the folder")
    gaps = [step.name for step in found.steps if "<" in step.command]
    if gaps:
        yield unproven(
            "steps[].command", len(gaps), f"hold <placeholders> and cannot be run: {examples(gaps)}"
        )
    yield nothing("passed", found.passed, "always true: a plan has passed nothing")


def _hash(entry: ChainEntry, where: str) -> ForeignClaim:
    made = chain_hash(entry)
    why = "follows from release, index hash, time and predecessor"
    return held(f"{where}chain_hash", entry.chain_hash, made, why, "does not follow from what it is made of")
