"""What can be expected to go wrong, as one message with its remedy in the run's page.

Anything else keeps its traceback: it is a defect of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.orchestration import late
from certification_pipeline.redaction import Redactor
from certification_pipeline.settings import SettingsError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn an expected error into ``dagster.Failure``: no traceback, no retry, no secret."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        remedy = getattr(error, "remedy", "")
        said = str(error)
        text = said if not remedy or remedy in said else f"{said}. {remedy}"
        raise dg.Failure(Redactor().redact_text(text), allow_retries=False) from None


class ToldLater:
    """Of several parts of one step: what goes wrong with one is told when the others are done."""

    def __init__(self) -> None:
        self._broken: list[Exception] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Go on after the block, whatever breaks in it; an interrupt passes."""
        try:
            with told_plainly():
                yield
        except Exception as error:
            self._broken.append(error)

    def tell(self) -> None:
        """Raises what was kept: a defect of ours as it is, else one ``dagster.Failure`` with all they say."""
        said: dict[str, None] = {}
        for error in self._broken:
            if not isinstance(error, dg.Failure):
                raise error
            said[str(error.description)] = None
        if said:
            raise dg.Failure("\n".join(said), allow_retries=False)


def _expected() -> tuple[type[Exception], ...]:
    """What their own rooms raise on purpose."""
    ours = (CatalogError, EvidenceError, SettingsError)
    return (*ours, late.PlanError, late.EngineUnavailable, late.ServiceError)
