"""From what a user names to a store: a directory, or a URL of object storage."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.evidence.stores.objects import SCHEMES, ObjectsStore
from certification_pipeline.evidence.stores.remote import RemoteStore


def open_store(given: str) -> RemoteStore:
    """``s3://bucket/prefix`` (also ``gs``, ``az``, ``abfs``), ``file:///path``, or a directory.

    Raises ``EvidenceError`` for another kind of URL, without what it could hold of a password.
    """
    scheme, mark, _ = given.partition("://")
    if not mark and given.partition(":")[0] in (*SCHEMES, "file"):
        remedy = "Write it with two slashes, e.g. s3://bucket/prefix"
        raise EvidenceError(given[:80], None, "is neither a URL nor a directory", remedy, ProblemKind.MISSING)
    if not mark:
        return DirectoryStore(Path(given).expanduser())
    if scheme == "file":
        return DirectoryStore(Path(unquote(urlsplit(given).path)))
    if scheme in SCHEMES:
        return ObjectsStore(given)
    known = ", ".join(f"{each}://" for each in (*SCHEMES, "file"))
    remedy = f"Name a directory, or a URL that begins with {known}"
    problem = "is no kind of store known here"
    raise EvidenceError(f"{scheme[:20]}://…", None, problem, remedy, ProblemKind.MISSING)
