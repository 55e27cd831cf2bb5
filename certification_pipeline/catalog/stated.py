"""What vendors' documents say of their connectors, word for word, and what of it could be shown by evidence.

One file ``claims/<id>.yaml`` a vendor. A statement names what would show it (a level of a policy, a row of a
guarantee table, scenarios, fields of the run record) and never what came of it: that is worked out from
evidence in ``gates/stated``. No part of the catalogue's digest: what a vendor writes changes no plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.problems import CatalogError, Problem, nearest
from certification_pipeline.catalog.validation import validate
from certification_pipeline.catalog.yaml_tree import Node, read_tree

PACKAGED = Path(__file__).parent / "data" / "claims"


class Document(Entry):
    """Where a statement stands: page, section, and the sentence that leads up to it."""

    title: str
    source: str


class StatedLevel(Entry):
    """A label the document gives: a level of a policy, for a connector's system or a route."""

    policy: str
    level: str
    unit: str = Field(description="a system as the catalogue names it, or `source_to_sink`")


class StatedGuarantee(Entry):
    """A row of a guarantee table of the catalogue."""

    table: str
    source: str
    sink: str


class Statement(Entry):
    """One line of a document, and what of ours speaks to it. It holds when every part of it does."""

    id: str = Field(pattern=r"[a-z0-9][a-z0-9_]*")
    document: str
    text: str = Field(description="verbatim")
    level: StatedLevel | None = None
    guarantee: StatedGuarantee | None = None
    scenarios: tuple[str, ...] = Field((), description="fnmatch patterns: each must be seen to hold")
    contradicted_by: tuple[str, ...] = Field(
        (),
        description="fnmatch patterns of anomalies and failed checks that speak against it; none given: any "
        "failure of its scenarios does. What fails for another reason shows nothing of it",
    )
    fields: tuple[str, ...] = Field((), description="of the run record (harness/engines/protocol.py)")

    @model_validator(mode="after")
    def _can_be_shown(self) -> Self:
        if not (self.level or self.guarantee or self.scenarios or self.fields):
            raise ValueError("give level, guarantee, scenarios or fields: nothing could ever show it")
        if self.contradicted_by and not self.scenarios:
            raise ValueError("`contradicted_by` is about scenarios, and there are none")
        return self


class VendorStatements(Entry):
    """All statements of one vendor; ``engines`` are the configurations whose evidence speaks to them."""

    id: str
    title: str
    engines: tuple[str, ...] = Field(min_length=1, description="the first is the documented default")
    documents: dict[str, Document]
    claims: tuple[Statement, ...] = Field(min_length=1)


def load_stated(catalog: Catalog, directory: Path = PACKAGED) -> tuple[VendorStatements, ...]:
    """Every vendor's, by id. Raises ``CatalogError`` with every problem found: file, line and remedy."""
    found: list[VendorStatements] = []
    problems: list[Problem] = []
    for file in sorted(directory.glob("*.yaml")):
        root, wrong = read_tree(file)
        problems += wrong
        if root is None:
            continue
        vendor, wrong = validate(root, VendorStatements, given={"id": file.stem})
        problems += wrong
        if vendor is not None:
            found.append(vendor)
            problems += _held(vendor, root, catalog)
    if problems:
        raise CatalogError(problems)
    return tuple(found)


def _held(vendor: VendorStatements, root: Node, catalog: Catalog) -> Iterator[Problem]:
    """Whether it speaks of engines, documents, levels, rows and scenarios there are."""

    def unknown(what: str, name: str, known: object) -> Problem:
        names = list(known) if isinstance(known, dict) else []
        return root.problem(f"{what} `{name}` is unknown: {nearest(name, names)}", f"correct the {what}")

    for name in vendor.engines:
        if name not in catalog.engines:
            yield unknown("engine", name, catalog.engines)
    seen: set[str] = set()
    for claim in vendor.claims:
        if claim.id in seen:
            yield root.problem(f"`{claim.id}` is there twice", "rename one")
        seen.add(claim.id)
        if claim.document not in vendor.documents:
            yield unknown("document", claim.document, vendor.documents)
        yield from _parts(claim, root, catalog)


def _parts(claim: Statement, root: Node, catalog: Catalog) -> Iterator[Problem]:
    for pattern in claim.scenarios:
        if not any(fnmatchcase(name, pattern) for name in catalog.scenarios):
            message = f"`{claim.id}`: `{pattern}` matches no scenario"
            yield root.problem(message, nearest(pattern, catalog.scenarios))
    if (level := claim.level) is not None:
        policy = catalog.policies.get(level.policy)
        if policy is None or level.level not in {each.id for each in policy.levels}:
            yield root.problem(f"`{claim.id}`: no level `{level.level}` of `{level.policy}`", "correct it")
    if (row := claim.guarantee) is not None:
        table = catalog.guarantees.get(row.table)
        if table is None or not any(
            (each.source, each.sink) == (row.source, row.sink) for each in table.rows
        ):
            yield root.problem(f"`{claim.id}`: `{row.table}` has no such row", "name its source and sink")
