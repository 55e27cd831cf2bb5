"""What an engine's file may leave out, written out: so that thirty routes stay readable.

- ``source`` and ``sink`` of a route may be lists: the entry stands for every pair of them.
- A claim may be just its support: ``cdc: Unsupported`` for ``cdc: {support: Unsupported}``.
- ``rest_of_matrix: {support: NotImplemented, note: …}`` claims that for every case of the seeds' matrix
  on which the file says nothing else. Only a denial may be said wholesale.
"""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.matrix import MatrixPairs
from certification_pipeline.catalog.problems import Problem
from certification_pipeline.catalog.validation import validate
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.catalog.yaml_tree import Member, Node

_DENIALS = (Support.NOT_IMPLEMENTED, Support.NOT_IN_ARTIFACT, Support.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class Expanded:
    """An engine's tree without shorthand, the wholesale denial if there is one, and what is wrong."""

    node: Node
    rest: Claim | None
    problems: tuple[Problem, ...]


def expand_engine(root: Node) -> Expanded:
    """Write the shorthand out; every value keeps the place it was written at."""
    members = dict(root.members)
    problems: list[Problem] = []
    rest: Claim | None = None
    if (wholesale := members.pop("rest_of_matrix", None)) is not None:
        rest, problems = validate(_claim(wholesale.node), Claim)
        if rest is not None and rest.support not in _DENIALS:
            message = f"`rest_of_matrix` claims {rest.support} for routes it does not name"
            problems.append(wholesale.node.problem(message, "name the routes, or use NotImplemented"))
    if (routes := members.get("routes")) is not None and routes.node.items:
        written_out = tuple(pair for item in routes.node.items for pair in _pairs(item))
        problems += _twice(written_out)
        members["routes"] = Member(routes.key, routes.node.replace(written_out))
    return Expanded(root.replace(members), rest, tuple(problems))


def apply_rest(engine: Engine, rest: Claim | None, matrix: MatrixPairs) -> Engine:
    """Add the wholesale denial to every case of the matrix on which the engine says nothing."""
    if rest is None:
        return engine
    claims: dict[tuple[str, str], dict[Strategy, Claim]] = {}
    for source, sink, strategy in matrix.cases():
        route = engine.route(source, sink)
        if route is None or strategy not in route.strategies:
            claims.setdefault((source, sink), {})[strategy] = rest
    known = tuple(
        route.model_copy(update={"strategies": route.strategies | claims.pop((route.source, route.sink), {})})
        for route in engine.routes
    )
    added = (RouteClaims(source=s, sink=t, strategies=strategies) for (s, t), strategies in claims.items())
    return engine.model_copy(update={"routes": (*known, *added)})


def _pairs(route: Node) -> list[Node]:
    members = dict(route.members)
    if (strategies := members.get("strategies")) is not None and strategies.node.members:
        claims = {k: Member(m.key, _claim(m.node)) for k, m in strategies.node.members.items()}
        members["strategies"] = Member(strategies.key, strategies.node.replace(claims))
    if not members:
        return [route]
    return [
        route.replace(members | source | sink)
        for source in _each(members.get("source"), "source")
        for sink in _each(members.get("sink"), "sink")
    ]


def _each(member: Member | None, name: str) -> list[dict[str, Member]]:
    if member is None:
        return [{}]
    return [{name: Member(member.key, node)} for node in member.node.items or (member.node,)]


def _claim(node: Node) -> Node:
    if isinstance(node.value, str):
        return node.replace({"support": Member(node.mark, node)})
    return node


def _twice(routes: tuple[Node, ...]) -> list[Problem]:
    first: dict[tuple[str, str], Node] = {}
    problems: list[Problem] = []
    for route in routes:
        ends = [route.child("source"), route.child("sink")]
        pair = (str(ends[0].value if ends[0] else None), str(ends[1].value if ends[1] else None))
        if (earlier := first.setdefault(pair, route)) is not route:
            message = f"{pair[0]} → {pair[1]} is claimed twice; first on line {earlier.mark.line}"
            problems.append((ends[1] or route).problem(message, "keep one of the two"))
    return problems
