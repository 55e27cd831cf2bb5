"""Bundles, suites and the connector matrix: lists of what passed, each with its digest or a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from certification_pipeline.evidence.foreign.claims import ForeignClaim
from certification_pipeline.evidence.foreign.dpone.decided import (
    ConnectorMatrix,
    DataContract,
    OpsBundle,
    StrategyBundle,
    Suite,
    SuiteIndex,
    SuiteItem,
)
from certification_pipeline.evidence.foreign.dpone.models import MatrixReport, MockReport
from certification_pipeline.gates.foreign.claiming import (
    agrees,
    contradicts,
    examples,
    held,
    not_here,
    nothing,
    unproven,
)
from certification_pipeline.gates.foreign.dpone.look import Item, Look

RESTS = "its items say so, and see what became of them"


def whole(passed: bool, each: list[bool], blockers: list[str]) -> ForeignClaim:
    """The verdict of a list: never more than its items."""
    if passed and not each:
        return contradicts("passed", True, None, "not one item is listed: nothing is no pass")
    if passed and blockers:
        return contradicts("passed", True, False, f"it names what blocks it: {examples(blockers)}")
    made = bool(each) and all(each) and not blockers
    if passed and made:
        return unproven("passed", True, RESTS)
    return held("passed", passed, made, "as its items say", "its items say otherwise")


def ops_bundle(bundle: OpsBundle, path: str, look: Look) -> Iterator[ForeignClaim]:
    """``dpone ops evidence-bundle``."""
    for item in bundle.items:
        yield from Item(f"items[{item.name}]", item.path, item.sha256, path).claims(look, item.passed)
    yield whole(bundle.passed, [item.passed for item in bundle.items if item.required], [])


def data_contract(found: DataContract, _path: str, _look: Look) -> Iterator[ForeignClaim]:
    """The contract an evidence bundle holds; one without a single check passes."""
    checks = [result for result in found.results if result.code != "contract.empty"]
    if found.passed and not checks:
        yield contradicts("passed", True, None, "not one check is configured: nothing is no pass")
    else:
        made = bool(checks) and all(result.passed or result.severity == "warn" for result in checks)
        if found.passed and made:
            yield unproven("passed", True, "the rows it checked are not here")
        else:
            yield held("passed", found.passed, made, "as its results say", "its results say otherwise")


def strategy_bundle(bundle: StrategyBundle, path: str, look: Look) -> Iterator[ForeignClaim]:
    """``dpone strategy certification-bundle``; an empty one says PASS."""
    items = bundle.evidence_items
    for item in items:
        named = Item(f"evidence_items[{item.kind}:{item.name}]", item.path, item.sha256, path)
        yield from named.claims(look, item.passed)
    present = sum(item.present for item in items)
    passed = sum(item.present and item.passed for item in items)
    counts = bundle.summary
    stated = (
        counts.total_items,
        counts.present_items,
        counts.passed_items,
        counts.missing_items,
        counts.failed_items,
    )
    made = (len(items), present, passed, len(items) - present, present - passed)
    yield held("summary", str(stated), str(made), "as listed", "the items are others")
    wanted = [
        f"{item.kind}.{'not_passed' if item.present else 'missing'}:{item.name}"
        for item in items
        if not (item.present and item.passed)
    ]
    yield _blockers(bundle.blockers, wanted)
    yield _status(bundle.evidence_status, bundle.passed)
    yield whole(bundle.passed, [item.present and item.passed for item in items], bundle.blockers)


def suite(found: Suite, path: str, look: Look) -> Iterator[ForeignClaim]:
    """``dpone ops certification-suite``."""
    items = found.items
    for item in items:
        named = Item(f"items[{item.name}]", item.path, item.sha256, path)
        yield from named.claims(look, item.passed)
        yield from _identity(item, named.content(look), found.release_id, look)
    yield held("evidence_count", found.evidence_count, len(items), "as listed", "others are listed")
    yield _case_count(found, path, look)
    yield _blockers(found.blockers, [_blocker(item) for item in items if not item.passed])
    yield _status(found.evidence_status, found.passed)
    if not any(item.name == "certification_report" and item.required for item in items):
        yield contradicts(
            "items", len(items), None, "no certification_report, which a suite cannot be without"
        )
    yield whole(found.passed, [item.passed for item in items], found.blockers)


def suite_index(index: SuiteIndex, path: str, look: Look) -> Iterator[ForeignClaim]:
    """Its one suite must be the file beside it."""
    yield held("suite_count", index.suite_count, len(index.suites), "as listed", "others are listed")
    named = look.folder.named("certification_suite.json", path)
    there = look.examined(named.path) if named else None
    for number, each in enumerate(index.suites):
        claim = f"suites[{number}]"
        if named is None or there is None:
            yield not_here(claim, each.suite_id, "no certification_suite.json lies beside it")
        elif there.model == each:
            yield agrees(claim, each.suite_id, f"is {named.path}")
        else:
            yield contradicts(claim, each.suite_id, named.path, "the file says otherwise")
        if each.passed:
            yield unproven(f"{claim}.passed", True, "see the suite")


def connector_matrix(found: ConnectorMatrix, _path: str, _look: Look) -> Iterator[ForeignClaim]:
    """``dpone connectors certify``: what proves a capability is a sentence."""
    listed = {
        f"{connector}.{name}": capability.status
        for connector, capabilities in found.connectors.items()
        for name, capability in capabilities.items()
    }
    passed = sorted(name for name, status in listed.items() if status in {"passed", "pass", "certified"})
    open_ = [name for name in listed if name not in passed]
    unlisted = sorted(set(found.missing_required) - set(listed))
    if unlisted:
        yield contradicts(
            "missing_required", len(found.missing_required), None, f"unknown: {examples(unlisted)}"
        )
    done = sorted(set(found.missing_required) & set(passed))
    if done:
        yield contradicts("missing_required", len(found.missing_required), None, f"passed: {examples(done)}")
    if passed:
        yield unproven(
            "connectors[].status", f"{len(passed)} passed", "the evidence is a sentence, not a file"
        )
    if found.passed and (open_ or not listed):
        why = (
            f"{len(open_)} of {len(listed)} capabilities did not pass"
            if listed
            else "no capability is listed"
        )
        yield contradicts("passed", True, False, why)
    elif found.passed:
        yield unproven("passed", True, "every capability says so, each with a sentence for evidence")
    elif open_:
        yield agrees("passed", False, f"{len(open_)} of {len(listed)} capabilities did not pass")


def _blocker(item: SuiteItem) -> str:
    if item.missing:
        word = "missing"
    else:
        words = {"MISSING": "release_id_missing", "MISMATCHED": "release_id_mismatch"}
        word = words.get(item.identity_status or "", "not_passed")
    return f"{item.name}.{word}"


def _blockers(stated: list[str], made: list[str]) -> ForeignClaim:
    if sorted(stated) == sorted(made):
        return agrees("blockers", len(stated), "follow from the items")
    other = sorted(set(stated) ^ set(made))
    return contradicts("blockers", len(stated), len(made), f"the items say otherwise: {examples(other)}")


def _status(status: str, passed: bool) -> ForeignClaim:
    if (status == "PASS") != passed:
        return contradicts("evidence_status", status, None, f"and passed is {passed}")
    if passed:
        return unproven("evidence_status", status, "nothing binds it to who made it, from what, or when")
    return nothing("evidence_status", status, "claims no pass")


def _identity(
    item: SuiteItem, found: str | None, release_id: str | None, look: Look
) -> Iterator[ForeignClaim]:
    if item.release_id is None:
        return
    claim = f"items[{item.name}].release_id"
    there = look.examined(found) if found else None
    if there is None or there.model is None:
        yield not_here(claim, item.release_id, "the file that states it is not in the folder")
        return
    stated = getattr(there.model, "release_id", None) or (there.model.model_extra or {}).get("release_id")
    if stated != item.release_id or (item.passed and item.release_id != release_id):
        yield contradicts(
            claim, item.release_id, str(stated), "is not the release of the file, or of the suite"
        )
    else:
        yield unproven(claim, item.release_id, "no command of dpone 0.88 stamps it: typed by hand")


def _case_count(found: Suite, path: str, look: Look) -> ForeignClaim:
    item = next((item for item in found.items if item.name == "certification_report"), None)
    at = Item("", item.path, item.sha256, path).content(look) if item else None
    there = look.examined(at) if at else None
    report = there.model if there else None
    if not isinstance(report, MockReport | MatrixReport):
        if found.passed and found.case_count == 0:
            return contradicts("case_count", 0, None, "passed without one case")
        return not_here("case_count", found.case_count, "the report it counts is not in the folder")
    made = len(report.results)
    return held("case_count", found.case_count, made, f"as {at} lists", f"{at} lists others")
