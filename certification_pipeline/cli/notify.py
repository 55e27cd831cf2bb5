"""``certify notify``: tell people what is worth a notice, once; for cron, and for a first try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from pydantic import JsonValue

    from certification_pipeline.pipeline.notices import Passed


def notify(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; send and write nothing.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test notice to every receiver, whatever it filters.")
    ] = False,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Look for red gates, lost levels, expiring evidence and missed days, and tell whoever is configured.

    Receivers come from CERTIFY_NOTIFY_* variables. Each notice goes out once per receiver. Exit codes:
    0 all is told, 1 a receiver could not be reached, 2 wrong settings, 3 some evidence could not be read.
    """
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.pipeline.notices import notify_once, send_test  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError, load_settings  # noqa: PLC0415

    settings = load_settings(evidence_dir=evidence_dir)
    done = (
        send_test(settings, dry_run=dry_run) if test else notify_once(settings, dry_run=dry_run, eager=True)
    )
    if form is Format.JSON:
        emit(_as_json(done))
    else:
        _print(done)
    if not done.receivers and not dry_run:
        remedy = "set CERTIFY_NOTIFY_SLACK_URL, CERTIFY_NOTIFY_MAIL_TO or CERTIFY_NOTIFY_LOG=true"
        raise SettingsError("nobody is told: no receiver is configured", remedy)
    unreached = bool(done.failed) and not dry_run
    raise typer.Exit(1 if unreached else 3 if done.due.problems else 0)


def _as_json(done: Passed) -> dict[str, JsonValue]:
    return {
        "at": done.at.isoformat(),
        "dry_run": done.dry_run,
        "receivers": list(done.receivers),
        "notices": [notice.model_dump(mode="json") for notice in done.due.notices],
        "told": [
            {"key": one.notice.key, "receiver": one.receiver, "state": one.state.value, "why": one.why}
            for one in done.told
        ],
        "problems": list(done.due.problems),
    }


def _print(done: Passed) -> None:
    import pandas as pd  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.output import console  # noqa: PLC0415
    from certification_pipeline.notify import words  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_frame  # noqa: PLC0415

    screen = console()
    for notice in done.due.notices:
        screen.print(f"{notice.severity.value:<8}  {words.title(notice)}", markup=False, highlight=False)
        if done.dry_run:
            for line in words.body(notice).splitlines():
                screen.print(f"          {line}", markup=False, highlight=False)
    rows = [
        {
            "receiver": one.receiver,
            "state": "would be sent" if done.dry_run and one.state == "later" else one.state.value,
            "notice": words.title(one.notice),
            "why": one.why,
        }
        for one in done.told
    ]
    frame = pd.DataFrame(rows, columns=["receiver", "state", "notice", "why"])
    print_frame(
        screen,
        frame,
        index=False,
        empty="nothing is worth a notice" if not done.due.notices else "nobody asks for it",
    )
    for problem in done.due.problems:
        screen.print(f"could not be looked at: {problem}", markup=False, highlight=False)
