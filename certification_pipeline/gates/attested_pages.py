"""What lies beside the engines of a release, for people, as one statement: nothing else holds its digests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.seal.statement import (
    FilesPredicate,
    ResourceDescriptor,
    Statement,
    digest_set,
)
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.attested import Attested

_NO_PAGES = frozenset({layout.PAGES, "harness.log"})
"""The statement itself; and a log, which goes on with every rerun and is no evidence."""


@dataclass(frozen=True)
class ReleaseDir:
    """The directory that holds a release's engines: ``report.html``, comparison, crash lines, locks."""

    path: Path
    release_id: str

    @classmethod
    def of(cls, store: EvidenceStore, release_id: str) -> ReleaseDir:
        """Of a release that is in the store."""
        return cls(store.release_path(release_id), release_id)

    def pages(self) -> tuple[str, ...]:
        """Names of the files, sorted; links count, so that none can stand in for a page unseen."""
        try:
            found = sorted(
                each.name for each in self.path.iterdir() if each.is_symlink() or not each.is_dir()
            )
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise EvidenceError.from_os(str(self.path), error, "list") from None
        return tuple(name for name in found if not name.startswith(".") and name not in _NO_PAGES)


def page_statements(release: ReleaseDir) -> Iterator[Attested]:
    """One statement, or none without pages. Raises ``EvidenceError`` for a link, a pipe or a giant."""
    subjects = tuple(
        ResourceDescriptor(name=name, digest=digest_set(sha256(_read(release, name))))
        for name in release.pages()
    )
    if subjects:
        predicate = FilesPredicate(release_id=release.release_id)
        yield Attested("files", Statement.about(subjects, predicate).spelled())


def _read(release: ReleaseDir, name: str) -> bytes:
    return read_no_follow(release.path / name, name, layout.LARGEST_ARTIFACT)
