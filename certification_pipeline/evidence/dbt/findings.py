"""One thing that is wrong with a dbt run, before it becomes a blocker."""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome


@dataclass(frozen=True)
class Finding:
    """``code`` is ``<word>:<what>``; ``first`` is what to do before dbt lineage is made again."""

    code: str
    message: str
    first: str
    outcome: Outcome = Outcome.FAILED


MEND = "Mend the project"
LOAD = "Mend the load"
AS_WRITTEN = "Keep dbt's artifacts as one `dbt build` and the `dbt docs generate` after it wrote them"
