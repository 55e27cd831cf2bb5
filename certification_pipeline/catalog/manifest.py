"""A pipeline manifest: one object from one system to another, as a person writes it down.

Strict like the catalogue: every mistake is named with file, line, field and remedy. A password is never
written in a manifest: a DSN that holds one is refused, ``${VARIABLE}`` stands in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.problems import CatalogError, Problem, nearest
from certification_pipeline.catalog.validation import validate
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.catalog.yaml_tree import Node, read_tree
from certification_pipeline.redaction import Redactor

_REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_RUNNABLE = (Support.FULL, Support.PARTIAL)


class ManifestEnd(Entry):
    """Where rows come from or go to; ``dsn`` may hold ``${VARIABLE}`` references."""

    system: str
    dsn: str = Field(repr=False)
    namespace: str = Field("", description="the schema, where the system has them")
    object: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables its DSN refers to."""
        return tuple(_REFERENCE.findall(self.dsn))

    def resolve(self, environ: Mapping[str, str]) -> str:
        """The DSN with its references replaced. ``KeyError`` names a variable that is not set."""
        return _REFERENCE.sub(lambda match: environ[match[1]], self.dsn)


class Manifest(Entry):
    """One pipeline: which engine loads what, from where, to where, and how."""

    engine: str
    source: ManifestEnd
    sink: ManifestEnd
    strategy: Strategy
    primary_key: tuple[str, ...] = Field(min_length=1)
    cursor: str | None = None
    options: dict[str, str | int] = Field({}, description="strategy options of the engine protocol")


def read_manifest(file: Path, catalog: Catalog) -> Manifest:
    """Parse one manifest and hold it against what the catalogue declares.

    Raises ``CatalogError`` with every problem: unknown fields, engines, systems and strategies, a route the
    engine does not claim, a DSN with a password in it.
    """
    root, problems = read_tree(file)
    if root is None or problems:
        raise CatalogError(problems)
    manifest, wrong = validate(root, Manifest)
    if manifest is None:
        raise CatalogError(wrong)
    if found := [*_secrets(root, manifest), *_undeclared(root, manifest, catalog)]:
        raise CatalogError(found)
    return manifest


def _secrets(root: Node, manifest: Manifest) -> list[Problem]:
    found = []
    for side, end in (("source", manifest.source), ("sink", manifest.sink)):
        # References are not secrets: `postgresql://me:${PASSWORD}@host/db` is as it should be.
        literal = _REFERENCE.sub("", end.dsn)
        if Redactor().redact_text(literal) != literal:
            at = _at(root, side, "dsn")
            found.append(at.problem("a password stands in the manifest", "write ${VARIABLE} in its place"))
    return found


def _undeclared(root: Node, manifest: Manifest, catalog: Catalog) -> list[Problem]:
    engine = catalog.engines.get(manifest.engine)
    if engine is None:
        message = f"there is no engine `{manifest.engine}`"
        return [_at(root, "engine").problem(message, nearest(manifest.engine, catalog.engines))]
    unknown = [
        _at(root, side, "system").problem(
            f"there is no system `{end.system}`", nearest(end.system, catalog.systems)
        )
        for side, end in (("source", manifest.source), ("sink", manifest.sink))
        if end.system not in catalog.systems
    ]
    if unknown:
        return unknown
    claims = engine.route(manifest.source.system, manifest.sink.system)
    declared = {s for s, c in claims.strategies.items() if c.support in _RUNNABLE} if claims else set()
    if manifest.strategy in declared:
        return []
    route = f"{manifest.source.system} to {manifest.sink.system}"
    message = f"{engine.id} does not claim {manifest.strategy} from {route}"
    return [_at(root, "strategy").problem(message, nearest(manifest.strategy, [s.value for s in declared]))]


def _at(node: Node, *path: str) -> Node:
    for part in path:
        node = node.child(part) or node
    return node
