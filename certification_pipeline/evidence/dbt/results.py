"""Manifest against run_results: every node has exactly one result, every result is good, both of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from certification_pipeline.evidence.dbt.artifacts import Manifest, ManifestNode, Result, RunResults
from certification_pipeline.evidence.dbt.findings import AS_WRITTEN, MEND, Finding
from certification_pipeline.evidence.dbt_lineage import DbtTest, NodeState, TestState

BUILT = frozenset({"model", "snapshot", "seed"})
_TESTS = frozenset({"test", "unit_test"})
_NODE_STATES: Mapping[str, NodeState] = {"success": "passed", "skipped": "skipped"}
_TEST_STATES: Mapping[str, TestState] = {"pass": "passed", "warn": "warned", "skipped": "skipped"}
_GOOD = frozenset({"success", "pass", "no-op"})


def built(manifest: Manifest) -> Iterator[ManifestNode]:
    """The nodes that become relations of their own."""
    for node in manifest.nodes.values():
        if node.config.enabled and node.resource_type in BUILT and not node.ephemeral:
            yield node


def node_state(result: Result | None) -> NodeState:
    """Any word of dbt's but ``success`` and ``skipped`` is a failure, also one nobody knows yet."""
    return "no_result" if result is None else _NODE_STATES.get(result.status, "failed")


def tests(manifest: Manifest, results: Mapping[str, Result]) -> tuple[DbtTest, ...]:
    """Every test of the project with its result, by unique id."""
    wanted = {
        node.unique_id: (node.name, node.depends_on.nodes)
        for node in manifest.nodes.values()
        if node.resource_type in _TESTS and node.config.enabled
    }
    wanted |= {test.unique_id: (test.name, test.depends_on.nodes) for test in manifest.unit_tests.values()}
    return tuple(_test(each, *wanted[each], results.get(each)) for each in sorted(wanted))


def _test(unique_id: str, name: str, of: tuple[str, ...], result: Result | None) -> DbtTest:
    return DbtTest(
        unique_id=unique_id,
        name=name,
        of=of,
        state="no_result" if result is None else _TEST_STATES.get(result.status, "failed"),
        failures=result.failures if result else None,
        message=_short(result.message) if result else None,
    )


def of_one_run(manifest: Manifest, results: RunResults, where: str) -> Iterator[Finding]:
    """Both files of one invocation, and of the same SQL."""
    made, ran = manifest.metadata, results.metadata
    problem = None
    if made.invocation_id != ran.invocation_id:
        problem = f"is of invocation {made.invocation_id}, run_results.json of {ran.invocation_id}"
    elif made.dbt_version != ran.dbt_version:
        problem = f"is of dbt {made.dbt_version}, run_results.json of {ran.dbt_version}"
    else:
        for result in results.results:
            node = manifest.nodes.get(result.unique_id)
            if node and result.compiled_code is not None and result.compiled_code != node.compiled_code:
                problem = f"has other SQL for {result.unique_id} than was run"
                break
    if problem:
        yield Finding(f"stale_manifest:{where}", f"the manifest {problem}", AS_WRITTEN)


def findings(manifest: Manifest, results: RunResults, where: str) -> Iterator[Finding]:
    """What is wrong with the results; ``where`` names the target, and the round if it is not the last."""
    count = Counter(result.unique_id for result in results.results)
    for unique_id, times in sorted(count.items()):
        if times > 1:
            message = f"{where}: {unique_id} has {times} results: nobody can say which counts"
            yield Finding(f"duplicate_result:{unique_id}", message, AS_WRITTEN)
    expected = {node.unique_id for node in built(manifest)}
    expected |= {test.unique_id for test in tests(manifest, {})}
    for unique_id in sorted(expected - set(count)):
        message = f"{where}: {unique_id} stands in the manifest and has no result"
        yield Finding(f"no_result:{unique_id}", message, "Run all of the project, without --select")
    known = expected | set(manifest.nodes) | set(manifest.exposures)
    known |= set(manifest.saved_queries) | set(manifest.functions)
    for result in sorted(results.results, key=lambda each: each.unique_id):
        if result.unique_id not in known:
            message = f"{where}: {result.unique_id} has a result and stands in no manifest"
            yield Finding(f"unknown_result:{result.unique_id}", message, AS_WRITTEN)
        elif finding := _not_good(result, manifest, where):
            yield finding


def _not_good(result: Result, manifest: Manifest, where: str) -> Finding | None:
    if result.status in _GOOD:
        node = manifest.nodes.get(result.unique_id)
        relation = node is not None and node.resource_type in BUILT
        # `no-op` is right for an exposure; a model that was not run is not a model that passed.
        if not relation or result.status == "success":
            return None
    kind = "test" if result.unique_id.split(".", 1)[0] in _TESTS else "model"
    word = {"skipped": "skipped", "warn": "warned"}.get(result.status, "failed")
    said = _short(result.message) or f"status {result.status}"
    if word == "skipped":
        said = f"skipped: {said}" if result.message else "skipped, as something it rests on failed"
    if result.failures:
        said = f"{said} ({result.failures} rows)"
    return Finding(f"{kind}_{word}:{result.unique_id}", f"{where}: {result.unique_id}: {said}", MEND)


def _short(message: str | None) -> str | None:
    return " ".join(message.split())[:400] if message else None
