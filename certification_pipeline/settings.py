"""What one certification run is asked to do, from options and ``CERTIFY_*`` variables.

The command line, ``pipeline.py`` and Dagster read the same frozen model. It may know the
catalogue's words (to say which filter matches nothing) and the suite's items, and nothing of how a run is
done.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import VERSION_MARK, unversioned
from certification_pipeline.catalog.vocabulary import Family, Strategy
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.evidence.suite import ItemName

if TYPE_CHECKING:
    from certification_pipeline.evidence.seal.keys import PublicKey, Signer

ENV_PREFIX = "CERTIFY_"
MAX_ROWS = 100_000_000
MIN_ROWS = 60
"""Fewer rows cannot hold a change round of every kind (harness/workload)."""
RELEASE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""A release id names a directory: no separators, no leading dot, no surprises."""

REQUIREMENTS: dict[str, ItemName] = {
    "require_benchmark": ItemName.BENCHMARK_BASELINE,
    "require_lineage": ItemName.LINEAGE_REPORT,
    "require_dbt_lineage": ItemName.DBT_LINEAGE_REPORT,
    "require_strategy_certification": ItemName.STRATEGY_CERTIFICATION_BUNDLE,
    "require_evidence": ItemName.EVIDENCE_BUNDLE,
}
"""Switch -> item of the suite (seed 003)."""

VERSION_PATTERN = re.compile(r"[0-9]+(\.[0-9]+)*([A-Za-z.+_-]*[A-Za-z0-9])?")
ALL_ENGINES = "all"
"""As an engine's name: every one there is."""

Globs = Annotated[tuple[str, ...], NoDecode]
"""Repeatable option, comma-separated variable; every entry is an ``fnmatch`` pattern."""


class SettingsError(Exception):
    """An option or variable is wrong; says which one, why, and what would do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]} — {self.remedy}"


def default_release_id() -> str:
    """``local-20260102-030405`` (UTC): sorts by time, tells that nobody named it."""
    return datetime.now(UTC).strftime("local-%Y%m%d-%H%M%S")


def default_workers() -> int:
    """One more than cores, at most 8: a worker waits half of its time for an engine or for PostgreSQL."""
    return min(8, (os.cpu_count() or 1) + 1)


class RunSettings(BaseSettings):
    """Everything a run is asked for. Options win over ``CERTIFY_*``, those over the defaults."""

    # Empty is unset: what CI systems and compose files make of a variable that is not there.
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    profile: str = Field("embedded", description="which systems and engines take part")
    engines: Globs = Field(
        (), description="only these engines, 'all' of the catalogue; empty = the profile's"
    )
    routes: Globs = Field((), description="only these routes, e.g. 'postgres_to_*'; empty = all")
    strategies: Globs = Field((), description="only these strategies; empty = all")
    scenarios: Globs = Field((), description="only these scenarios, e.g. 'schema.*'; empty = all")
    families: Globs = Field((), description="only these evidence families beside the matrix; empty = all")
    rows: int | None = Field(
        None, ge=MIN_ROWS, le=MAX_ROWS, description="rows of a default table; None = the profile's"
    )
    seed: int = Field(1, ge=0, le=2**63 - 1, description="the workload's seed: same seed, same rows")
    release_id: str = Field(default_factory=default_release_id, pattern=RELEASE_ID_PATTERN)
    workers: int = Field(
        default_factory=default_workers, ge=1, le=64, description="cells judged side by side"
    )
    evidence_dir: Path = Field(
        Path(".certification"), validate_default=True, description="where evidence is written; made absolute"
    )
    resume: bool = Field(False, description="only cells that have no verdict yet")
    trigger: Trigger = Field(
        Trigger.MANUAL, description="who begins the release: 'schedule' for a timetable's, else 'manual'"
    )
    push_to: str | None = Field(
        None, description="the store that Dagster pushes chains to after a run, e.g. s3://bucket/prefix"
    )
    trusted_keys: Globs = Field(
        (), description="public keys, or files with them, whose statements about deployments count"
    )
    require_benchmark: bool = False
    require_lineage: bool = False
    require_dbt_lineage: bool = False
    require_strategy_certification: bool = False
    require_evidence: bool = False
    signing_key_file: Path | None = Field(None, description="a file with the private key that signs evidence")
    signing_key: SecretStr | None = Field(None, description="that key itself, as PEM")
    signing_key_passphrase: SecretStr | None = Field(None, description="opens it, when it is encrypted")

    @field_validator("signing_key_file", "signing_key", "signing_key_passphrase", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        # What CI systems make of a secret that is not there.
        return None if value == "" else value

    @field_validator(
        "engines", "routes", "strategies", "scenarios", "families", "trusted_keys", mode="before"
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, list | tuple):
            return value
        return tuple(part.strip() for item in value for part in str(item).split(",") if part.strip())

    @field_validator("evidence_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def release_dir(self) -> Path:
        """``<evidence_dir>/releases/<release_id>``."""
        return self.evidence_dir / "releases" / self.release_id

    @property
    def required(self) -> tuple[ItemName, ...]:
        """Items of the suite that this release must not go without (seed 003)."""
        return tuple(item for field, item in REQUIREMENTS.items() if getattr(self, field))

    def signer(self) -> Signer | None:
        """Who signs the evidence; ``None``: nobody, and everything that is written says so.

        Raises ``SigningKeyError`` for a key that cannot be used: nothing is left unsigned by mistake.
        """
        if self.signing_key_file is None and self.signing_key is None:
            return None
        from certification_pipeline.evidence.seal.keys import read_signer  # noqa: PLC0415 - cryptography is slow

        key, passphrase = self.signing_key, self.signing_key_passphrase
        return read_signer(
            self.signing_key_file,
            key.get_secret_value() if key else None,
            passphrase.get_secret_value() if passphrase else None,
            outside=self.evidence_dir,
        )

    def trusted(self) -> tuple[PublicKey, ...]:
        """Whose statements from outside count. Raises ``SigningKeyError`` for what is no public key."""
        if not self.trusted_keys:
            return ()
        from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415 - as above

        return read_public_keys(self.trusted_keys)

    def chosen_engines(self, catalog: Catalog) -> tuple[str, ...]:
        """Engines that take part, in the catalogue's order: those that match, else the profile's.

        Engines in a version that is named (``dlt==1.30.0``) come last.
        """
        if not self.engines:
            return catalog.profiles[self.profile].engines
        versions = [name for name in self.engines if VERSION_MARK in name]
        return tuple(dict.fromkeys((*matching_engines(self.engines, catalog.engines), *versions)))

    @property
    def narrowed(self) -> bool:
        """Whether only a part is asked for: in a release that is there, a rerun of that."""
        return bool(self.narrows_cells or self.families or self.resume)

    @property
    def narrows_cells(self) -> bool:
        """Whether some cells are asked for by name."""
        return bool(self.routes or self.strategies or self.scenarios)

    def chosen_families(self, engine: str, catalog: Catalog) -> tuple[Family, ...]:
        """Evidence families beside the matrix that a new release of this engine is to have.

        All that the profile makes for it; of a release narrowed to some cells only those asked for by name.
        """
        offered = catalog.profiles[self.profile].families
        mine = tuple(family for family, engines in offered.items() if engine in engines)
        if self.narrows_cells and not self.families:
            return ()
        return tuple(f for f in mine if not self.families or any(fnmatchcase(f, g) for g in self.families))

    def names(self, key: CellKey) -> bool:
        """Whether the filters name this cell."""
        return all(
            not globs or any(fnmatchcase(name, glob) for glob in globs)
            for name, globs in (
                (key.route_id, self.routes),
                (key.strategy.value, self.strategies),
                (key.scenario, self.scenarios),
            )
        )

    def command(self) -> str:
        """The command that does this run again, in the same release."""
        words = ["certify", "run", "--profile", self.profile, "--release-id", self.release_id]
        for option, values in (
            ("--engine", self.engines),
            ("--route", self.routes),
            ("--strategy", self.strategies),
            ("--scenario", self.scenarios),
            ("--family", self.families),
        ):
            words += [word for value in values for word in (option, value)]
        words += ["--rows", str(self.rows)] if self.rows is not None else []
        words += ["--seed", str(self.seed), "--evidence-dir", str(self.evidence_dir)]
        words += [f"--{field.replace('_', '-')}" for field in REQUIREMENTS if getattr(self, field)]
        words += ["--resume"] if self.resume else []
        return shlex.join(words)

    def check(self, catalog: Catalog) -> None:
        """Refuse a profile or filter that matches nothing in the catalogue.

        A filter with a typing error would otherwise plan zero cells. Raises :class:`SettingsError`.
        """
        must_match("profile", (self.profile,), catalog.profiles)
        must_match(
            "engine", (unversioned(name) for name in self.engines if name != ALL_ENGINES), catalog.engines
        )
        for name in self.engines:
            _check_version(name, catalog)
        must_match("strategy", self.strategies, [s.value for s in Strategy])
        must_match("scenario", self.scenarios, catalog.scenarios)
        must_match("family", self.families, [f.value for f in Family])
        declared = {f"{r.source}_to_{r.sink}" for e in catalog.engines.values() for r in e.routes}
        pairs = {f"{source}_to_{sink}" for source in catalog.matrix.sources for sink in catalog.matrix.sinks}
        must_match("route", self.routes, sorted(declared | pairs))


def _check_version(name: str, catalog: Catalog) -> None:
    """A version can be named of an engine that is installed from a package index, and only of one."""
    base, mark, version = name.partition(VERSION_MARK)
    if not mark:
        return
    if base not in catalog.engines:
        raise SettingsError(f"--engine '{name}': a version belongs to one engine", "name it without patterns")
    if not VERSION_PATTERN.fullmatch(version):
        raise SettingsError(f"--engine '{name}': '{version}' is no version", "write it as in 'dlt==1.30.0'")
    if not catalog.engines[base].driver.lock:
        what = "is a command" if catalog.engines[base].driver.command else "has no lock file"
        remedy = (
            f"leave out '{mark}{version}'; to compare two states of it, compare two releases: certify diff"
        )
        raise SettingsError(f"--engine '{name}': {base} {what}: what runs is what is installed here", remedy)


def matching_engines(patterns: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    """Which of ``there`` the patterns name, in their own order; ``all`` names them all."""
    globs = tuple(patterns)
    return tuple(
        name for name in there if any(glob == ALL_ENGINES or fnmatchcase(name, glob) for glob in globs)
    )


def load_settings(**options: object) -> RunSettings:
    """Settings from options (``None`` = not given), variables and defaults.

    Raises :class:`SettingsError` that names the first wrong field and where its value came from.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        return RunSettings(**given)
    except ValidationError as error:
        raise _explain(error, given) from None


def _explain(error: ValidationError, given: Mapping[str, object]) -> SettingsError:
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "settings"
    variable = ENV_PREFIX + field.upper()
    origin = f"--{field.replace('_', '-')}" if field in given or variable not in os.environ else variable
    if field == "release_id":
        remedy = "use letters, digits, '.', '_' and '-', at most 100, starting with a letter or digit"
    elif field in RunSettings.model_fields and (about := RunSettings.model_fields[field].description):
        remedy = f"{field} is: {about}"
    else:
        remedy = "see `certify run --help`"
    return SettingsError(f"{origin}: {first['msg']} (got {first['input']!r})", remedy)


def must_match(what: str, patterns: Iterable[str], known: Iterable[str], *, option: bool = True) -> None:
    """Raise :class:`SettingsError` for a pattern that matches no known name, with the nearest ones."""
    names = list(known)
    for pattern in patterns:
        if any(fnmatchcase(name, pattern) for name in names):
            continue
        close = get_close_matches(re.sub(r"[*?]", "", pattern), names, n=3, cutoff=0.5)
        remedy = "did you mean " + " or ".join(f"'{name}'" for name in close) + "?" if close else ""
        shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")  # noqa: PLR2004
        raise SettingsError(
            f"{'--' if option else ''}{what} '{pattern}' matches nothing", remedy or f"there are: {shown}"
        )
