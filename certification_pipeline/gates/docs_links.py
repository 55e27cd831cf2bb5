"""Docs links of a strategy bundle: a page is copied beside the evidence it explains, so that it resolves.

A link that depended on where a command is run, or on which version of the pages lies there today, could be
checked by nobody later. The copy can: it is evidence like any other file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.bundle import DocsLink
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow, resolve_inside, write_atomically
from certification_pipeline.evidence.subject_dir import SubjectDir

COPIES = "docs_links"
"""The folder of the copies in the subject's directory."""

GATE_PAGE = "docs/release-gate.md"
"""Explains the matrix's evidence and every decision over it."""

_LARGEST = 4 << 20
_SUFFIXES = frozenset({".md", ".rst", ".txt", ".html"})


def default_links(families: Iterable[Family]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The gate's page and those of these families: which are here, and which are not.

    An installed package brings no pages with it: then they are left out, and the bundle says so.
    """
    pages = [GATE_PAGE, *(f"docs/{family.value}.md" for family in families if family is not Family.MATRIX)]
    here = [page for page in pages if (_CHECKOUT / page).is_file()]
    return tuple(here), tuple(page for page in pages if page not in here)


def checked_link(link: str) -> str:
    """``link`` if it can name a page; EvidenceError for a way out, an address, or what is no page."""
    path = PurePosixPath(link)
    if "://" in link or path.is_absolute() or ".." in path.parts or str(path) != link:
        problem = "is no plain path to a page"
        remedy = "Give a page of the repository, relative to it, e.g. docs/release-gate.md"
        raise EvidenceError("--docs-link", None, f"{link[:200]!r} {problem}", remedy)
    if path.suffix not in _SUFFIXES:
        remedy = f"Give one of {', '.join(sorted(_SUFFIXES))}"
        raise EvidenceError("--docs-link", None, f"{link[:200]!r} is no page", remedy)
    return link


def keep_pages(directory: SubjectDir, links: Iterable[str]) -> None:
    """Copy every page that can be found; a link that leads nowhere keeps what was copied before."""
    for link in links:
        for root in (Path.cwd(), _CHECKOUT):
            try:
                data = read_no_follow(root / link, link, _LARGEST)
            except EvidenceError:
                continue
            write_atomically(resolve_inside(directory.path, _copy(link)), data)
            break


def docs_links(directory: SubjectDir, links: Iterable[str]) -> tuple[DocsLink, ...]:
    """The links as they resolve now, from the copies alone."""
    return tuple(_link(directory, link) for link in links)


def _link(directory: SubjectDir, link: str) -> DocsLink:
    path = _copy(link)
    try:
        return DocsLink(link=link, path=path, sha256=sha256(directory.read_bytes(path)))
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return DocsLink(link=link, path=path, sha256=None)
        raise


def _copy(link: str) -> str:
    return f"{COPIES}/{checked_link(link)}"


_CHECKOUT = Path(__file__).resolve().parents[2]
