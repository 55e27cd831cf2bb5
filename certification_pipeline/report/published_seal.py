"""Who signed what is published: the release's own statement inside a record, and one over the record's bytes.

``docs/published/<engine>.intoto.jsonl`` holds the second, ``docs/published/certify.pub`` the public key of
both. A key that lies beside what it signed says that one hand wrote all of it, and nothing of whose hand that
is: ``certify publish-pages --check --key`` takes the key from elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pydantic import JsonValue

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow, write_atomically
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.seal.dsse import sign, verified_by
from certification_pipeline.evidence.seal.keys import PublicKey, Signer, read_public_key
from certification_pipeline.evidence.seal.lines import Line, parse_line, read_lines
from certification_pipeline.evidence.seal.statement import (
    FilesPredicate,
    ResourceDescriptor,
    Statement,
    digest_set,
    engine_uri,
    statement_name,
)
from certification_pipeline.evidence.subject_dir import SubjectDir

KEY = "docs/published/certify.pub"
RECORDS = "docs/published"
SUFFIX = ".intoto.jsonl"
_LARGEST = 16 << 20
_AGAIN = "Publish it again from its evidence, with the key: certify publish-pages"


def release_statement(directory: SubjectDir) -> str | None:
    """The envelope of the release's verification summary; ``None`` when there is none."""
    try:
        for line in read_lines(directory, layout.DECISIONS):
            name = statement_name(parse_value(line.statement, layout.DECISIONS)) or ""
            if name.startswith("decision ") and name.endswith(f":release:{directory.release_id}"):
                return line.spelled().decode().removesuffix("\n")
    except EvidenceError as error:
        if error.kind is not ProblemKind.MISSING:
            raise
    return None


def published_key(root: Path) -> PublicKey | None:
    """The key that records are signed with; ``None``: they are unsigned. ``EvidenceError`` for no key."""
    path = root / KEY
    if not path.exists() and not path.is_symlink():
        return None
    text = read_no_follow(path, KEY, _LARGEST).decode("utf-8", "replace")
    if "BEGIN PUBLIC KEY" not in text:  # any other text would be taken for a file's name
        raise EvidenceError(KEY, None, "holds no public key as PEM", "Write it: certify keys export")
    return read_public_key(text)


def refuse_other_key(root: Path, signer: Signer | None) -> None:
    """Raises ``EvidenceError`` when records here are signed with a key that is not at hand."""
    key = published_key(root)
    if key is None or (signer is not None and signer.public_key == key):
        return
    if signer is None:
        problem = f"is the key {key.key_id[:12]} that records are signed with, and no private key is given"
        raise EvidenceError(KEY, None, problem, "Name it: export CERTIFY_SIGNING_KEY_FILE=…")
    problem = f"is the key {key.key_id[:12]}, yours is {signer.key_id[:12]}"
    remedy = f"To begin with a new key remove {KEY} and all records, publish all again, and tell your readers"
    raise EvidenceError(KEY, None, problem, remedy)


def seal_record(root: Path, record: PublishedRecord, signer: Signer | None) -> None:
    """Sign the bytes of the record as it lies there; without a signer no older signature is left."""
    engine, path = record.subject.engine, _bundle(root, record)
    if signer is None:
        path.unlink(missing_ok=True)
        return
    line = sign(_about(record, sha256((root / RECORDS / f"{engine}.json").read_bytes())), signer)
    write_atomically(path, line.spelled())
    write_atomically(root / KEY, signer.public_key.pem.encode())


def seal_problems(
    root: Path, records: Sequence[PublishedRecord], keys: Collection[PublicKey] = ()
) -> Iterator[str]:
    """What is wrong with signatures, as sentences.

    ``keys`` come from elsewhere: then everything must be signed with one of them, and unsigned records are
    wrong. Without any, records that never were signed are no problem; their pages say so.
    """
    try:
        key = published_key(root)
    except EvidenceError as error:
        yield str(error)
        return
    if keys and key is not None and key not in keys:
        yield f"{KEY} is the key {key.key_id[:12]}, which is none of those given"
    trusted = tuple(keys) or ((key,) if key else ())
    for record in records:
        shown = f"{RECORDS}/{record.subject.engine}.json"
        yield from (f"{shown}: {problem}" for problem in _stated(record, trusted))
        yield from _signed(root, record, trusted)
    engines = {record.subject.engine for record in records}
    for path in sorted((root / RECORDS).glob(f"*{SUFFIX}")):
        if path.name.removesuffix(SUFFIX) not in engines:
            yield f"{RECORDS}/{path.name} has no record"


def _signed(root: Path, record: PublishedRecord, trusted: Collection[PublicKey]) -> Iterator[str]:
    """Is the record, byte by byte, what was signed?"""
    engine, path = record.subject.engine, _bundle(root, record)
    shown = f"{RECORDS}/{path.name}"
    if not trusted:
        if path.exists():
            yield f"{shown} is signed, and {KEY} is not there to verify it"
        return
    try:
        line = parse_line(read_no_follow(path, shown, _LARGEST))
        digest = sha256(read_no_follow(root / RECORDS / f"{engine}.json", shown, _LARGEST))
    except EvidenceError as error:
        missing = error.kind is ProblemKind.MISSING
        yield f"{RECORDS}/{engine}.json is not signed: {shown} is not there" if missing else str(error)
        return
    if line is None:
        yield f"{shown} is no envelope as it was written"
    elif not verified_by(line, trusted):
        yield f"{shown} is not signed with {_names(trusted)}"
    elif line.statement != _about(record, digest):
        yield f"{RECORDS}/{engine}.json is not what {shown} was signed over"


def _stated(record: PublishedRecord, trusted: Collection[PublicKey]) -> Iterator[str]:
    """Does the release's statement say what the record says, and did one of the keys sign it?"""
    if record.statement is None:
        if trusted or record.signed_by:
            yield "statement: is not there: nothing signed says what the release was worth"
        return
    line = parse_line(record.statement.encode())
    if line is None:
        yield "statement: is no envelope as it was written"
        return
    named = {each.key_id for each in line.signatures}
    if record.signed_by is not None and record.signed_by not in named:
        yield f"signed_by: says key {record.signed_by[:12]}, which did not sign the statement"
    if trusted and not verified_by(line, trusted):
        yield f"statement: is not signed with {_names(trusted)}"
    yield from _disagreements(record, line)


def _disagreements(record: PublishedRecord, line: Line) -> Iterator[str]:
    try:
        value = parse_value(line.statement, "statement")
    except EvidenceError as error:
        yield str(error)
        return
    says = {
        "about": _at(value, "predicate", "resourceUri"),
        "worth": _at(value, "predicate", "verificationResult"),
        "artifact or plan": _at(value, "subject", 0, "digest", "sha256"),
        "summary": _at(value, "predicate", "inputAttestations", 0, "digest", "sha256"),
    }
    artifact = record.subject.artifact_digest
    is_ = {
        "about": f"{engine_uri(record.subject)}:release:{record.release_id}",
        "worth": "PASSED" if record.passed else "FAILED",
        # Of an engine that could not be installed, the plan's file stands for it.
        "artifact or plan": artifact.removeprefix("sha256:") if artifact else says["artifact or plan"],
        "summary": record.summary_sha256.removeprefix("sha256:"),
    }
    for field, expected in is_.items():
        if says[field] != expected:
            yield f"statement ({field}): says {says[field]!r}, the record {expected!r}"


def _at(value: JsonValue, *path: str | int) -> JsonValue:
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _about(record: PublishedRecord, digest: Digest) -> bytes:
    engine = record.subject.engine
    subject = ResourceDescriptor(name=f"{engine}.json", digest=digest_set(digest))
    return Statement.about((subject,), FilesPredicate(release_id=record.release_id, engine=engine)).spelled()


def _bundle(root: Path, record: PublishedRecord) -> Path:
    return root / RECORDS / f"{record.subject.engine}{SUFFIX}"


def _names(keys: Collection[PublicKey]) -> str:
    return " or ".join(sorted(f"key {key.key_id[:12]}" for key in keys))
