"""What every Markdown page of an artifact has: the verdict, what blocks, the header's facts, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Artifact

MOST_ROWS = 500
"""A longer table ends with how much more the JSON holds."""

_VERDICTS = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.CANT_TELL: "INCONCLUSIVE",
    Outcome.UNTESTED: "INCONCLUSIVE (untested)",
    Outcome.INAPPLICABLE: "INCONCLUSIVE (inapplicable)",
}


def headline(artifact: Artifact) -> str:
    """Verdict, kind, subject and release in one line."""
    kind = artifact.KIND.replace("_", " ")
    subject = f"{artifact.subject.engine} {artifact.subject.version}"
    return f"{_VERDICTS[artifact.outcome]}: {kind} of {subject}, release {artifact.release_id}"


def page(title: str, artifact: Artifact, facts: Iterable[tuple[str, object]], *sections: str) -> str:
    """A whole page: title, what blocks, the header's facts, then the sections."""
    revision = artifact.producer.git_revision
    common = (
        ("release", artifact.release_id),
        ("subject", f"{artifact.subject.engine} {artifact.subject.version}"),
        ("artifact", artifact.subject.artifact_digest or "unknown"),
        ("profile", artifact.profile),
        ("run", artifact.run_id),
        ("made", f"{artifact.created_at.isoformat()} by {artifact.producer.name} {artifact.producer.version}")
        if revision is None
        else ("made", f"{artifact.created_at.isoformat()} by {artifact.producer.name} {revision[:12]}"),
    )
    listed = "\n".join(f"- {name}: {escape(value)}" for name, value in (*facts, *common))
    return "\n\n".join((f"# {escape(title)}", _blockers(artifact), listed, *sections)) + "\n"


def _blockers(artifact: Artifact) -> str:
    if not artifact.blockers:
        return "Nothing blocks." if artifact.passed else "No blocker is recorded."
    shown = artifact.blockers[:MOST_ROWS]
    lines = [
        f"{at}. **{escape(blocker.code)}**: {escape(blocker.message)}\n   Next: {code(blocker.next_step)}"
        for at, blocker in enumerate(shown, start=1)
    ]
    more = len(artifact.blockers) - len(shown)
    return "\n".join(["## What blocks", "", *lines, *([f"\n… and {more} more in the JSON."] if more else [])])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; ends with how much more the JSON holds."""
    if not rows:
        return "None."
    lines = [_line(head), _line("---" for _ in head), *(_line(row) for row in rows[:MOST_ROWS])]
    more = len(rows) - MOST_ROWS
    return "\n".join([*lines, *([f"\n… and {more} more in the JSON."] if more > 0 else [])])


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def escape(value: object) -> str:
    """Text that can neither end a table cell, nor begin markup: engines' messages are strangers' text."""
    text = _visible(str("" if value is None else value))
    for character in "\\`*<>|[]":
        text = text.replace(character, f"\\{character}")
    return text


def code(text: str) -> str:
    """Text as code, on one line."""
    return "`" + _visible(text).replace("`", "'") + "`"


def _visible(text: str) -> str:
    """On one line, without characters that steer a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def yes(value: bool) -> str:
    """For people."""
    return "yes" if value else "no"


def short(digest: str | None) -> str:
    """The first digits of a digest, or nothing."""
    return digest.removeprefix("sha256:")[:12] if digest else ""
