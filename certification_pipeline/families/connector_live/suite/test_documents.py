"""Documentation page, example manifest, live instructions, limitations, changelog: read, not believed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from certification_pipeline.catalog.manifest import Manifest, read_manifest
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.evidence.connector_verdict import NO_LEVEL
from certification_pipeline.evidence.connectors import Connector
from certification_pipeline.families.connector_live import pages
from certification_pipeline.families.connector_live.context import Context
from certification_pipeline.families.connector_live.credentials import (
    credential_variable,
    needs_no_credential,
)
from certification_pipeline.families.connector_live.suite.skipping import inapplicable, untested
from certification_pipeline.harness.engines.protocol import LoadOptions
from certification_pipeline.harness.services.provider import Availability
from certification_pipeline.harness.services.registry import ServiceContext, resolve

pytestmark = pytest.mark.unit

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r"\bCERTIFY_[A-Z_]+_DSN\b")
_CHANGE = "{connector}: {before} → {after}"


@pytest.fixture
def docs(request: pytest.FixtureRequest, context: Context) -> Path:
    """The documentation, or an untested item that says how to get it."""
    if context.docs_dir is None:
        untested(
            request,
            "the documentation is not part of an installed package",
            "give it: certify connectors --docs-dir DIR (docs of a checkout)",
        )
    return context.docs_dir


@pytest.fixture
def page(docs: Path, connector: Connector) -> str:
    """The connector's page; a missing one is a failed item, not a broken fixture."""
    path = pages.page_path(docs, connector.name)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@pytest.mark.item("documentation_page")
def test_page_has_every_section_and_says_something(page: str, connector: Connector) -> None:
    """Required sections are there, each with words of its own, and the page is about this connector."""
    assert page, f"docs/{pages.FOLDER}/{connector.name}.md is missing or empty"
    found = pages.sections(page)
    missing = [name for name in pages.SECTIONS if name not in found]
    assert not missing, f"sections are missing: {', '.join(missing)}"
    thin = [name for name in pages.SECTIONS if len(pages.words_of(found[name])) < pages.SHORTEST_SECTION]
    assert not thin, f"sections say next to nothing: {', '.join(thin)}"
    assert page.startswith(f"# {connector.name}"), "the title does not name the connector"


@pytest.mark.item("documentation_page")
def test_links_of_the_page_resolve(page: str, docs: Path, connector: Connector) -> None:
    """Every relative link leads to a file, and its anchor to a heading there."""
    base = pages.page_path(docs, connector.name)
    links = [link for link in _LINK.findall(page) if "://" not in link and not link.startswith("mailto:")]
    assert links, "the page links to nothing of this documentation"
    broken = [link for link in links if not _resolves(base, link)]
    assert not broken, f"links lead nowhere: {', '.join(broken)}"


@pytest.mark.item("documentation_page")
def test_tables_of_the_page_are_the_catalogues(page: str, connector: Connector, context: Context) -> None:
    """Published equals computed: the generated tables are what the catalogue says now."""
    _same_block("strategies", page, connector, context)
    _same_block("types", page, connector, context)
    _same_block("drift", page, connector, context)
    _same_block("packages", page, connector, context)


@pytest.mark.item("known_limitations")
def test_limitations_are_the_catalogues(page: str, connector: Connector, context: Context) -> None:
    """Each partial, unsupported or not implemented claim is told, in the section where it is looked for."""
    section = pages.sections(page).get("Known limitations", "")
    _same_block("limitations", section, connector, context)
    assert len(pages.words_of(section)) >= pages.SHORTEST_SECTION, "the section has no words of its own"


@pytest.mark.item("example_manifest")
def test_example_manifest_is_valid(docs: Path, page: str, connector: Connector, context: Context) -> None:
    """It is parsed strictly, names what the catalogue claims, and the page shows it as it is."""
    files = pages.manifests_of(docs, connector.name, sink="sink" in connector.roles)
    assert files, f"docs/{pages.FOLDER}/{pages.EXAMPLES} holds no manifest of {connector.name}"
    for file in files:
        manifest = _read(file, context)
        assert manifest.engine == context.engine, f"{file.name} is for {manifest.engine}"
        assert connector.system in (manifest.source.system, manifest.sink.system)
        LoadOptions.model_validate(manifest.options)
        shown = pages.sections(page).get("Example manifest", "")
        assert f"{pages.EXAMPLES}/{file.name}" in shown, f"the page does not lead to {file.name}"


@pytest.mark.item("example_manifest")
def test_wrong_manifest_is_refused(
    docs: Path, connector: Connector, context: Context, tmp_path: Path
) -> None:
    """The same manifest with a strategy nobody has, a misspelt key or a password is told with its line."""
    files = pages.manifests_of(docs, connector.name, sink="sink" in connector.roles)
    assert files, f"no example manifest of {connector.name}"
    text = files[0].read_text(encoding="utf-8")
    for old, new in (
        (r"^strategy:.*$", "strategy: teleport"),
        (r"^engine:", "engin:"),
        (r"dsn: .*$", "dsn: postgresql://me:hunter2hunter2@localhost/db"),
    ):
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE), encoding="utf-8")
        with pytest.raises(CatalogError) as refused:
            read_manifest(wrong, context.catalog)
        assert all(problem.line > 0 and problem.remedy for problem in refused.value.problems)
        assert "hunter2hunter2" not in str(refused.value), "the message shows the password"


@pytest.mark.item("live_instructions")
def test_live_instructions_name_what_the_provider_reads(page: str, connector: Connector) -> None:
    """The variable in the section is the one the provider asks for; where none is needed, none is named."""
    section = pages.sections(page).get("Live tests", "")
    assert section, "there is no section `Live tests`"
    named = set(_VARIABLE.findall(section))
    variable = credential_variable(connector.system)
    if variable is None:
        assert needs_no_credential(connector.system), f"nobody knows how to reach a live {connector.system}"
        assert not named, f"the section names {', '.join(named)}, which no provider reads"
        assert "no credential" in section, "the section does not say that no credential is needed"
        assert not isinstance(resolve(connector.system, ServiceContext(environ={})), Availability)
        return
    assert variable in named, f"the section does not name {variable}"
    assert "certify connectors --live" in section, "the section does not say how to run them"
    # Nothing answers there: a provider that reads the variable says so by name.
    answer = resolve(connector.system, ServiceContext(environ={variable: "postgresql://x@127.0.0.1:1/x"}))
    assert isinstance(answer, Availability)
    assert variable in answer.detail, f"the provider does not read {variable}: {answer.detail}"


@pytest.mark.item("changelog_entry")
def test_change_of_level_is_told(
    request: pytest.FixtureRequest, page: str, docs: Path, connector: Connector, context: Context
) -> None:
    """The page states a level of the policy; one that differs from the published one is in the changelog."""
    level = pages.stated_level(page)
    levels = [each.id for each in context.catalog.policies["dpone"].levels]
    assert level in levels, f"the page states no level: `- Level: {'|'.join(levels)}`"
    if context.previous_problem:
        untested(request, context.previous_problem, "repair the published release, or publish again")
    before = context.previous_levels.get(connector.name, NO_LEVEL)
    for name, value in (("level", level), ("previous_level", before)):
        request.node.user_properties.append((name, value))
    if before == NO_LEVEL:
        inapplicable(request, f"{level}; no published release records another level to compare with")
    if before == level:
        inapplicable(request, f"{level}, as in the published release {context.previous_release}")
    line = _CHANGE.format(connector=connector.name, before=before, after=level)
    changelog = context.changelog or docs.parent / "CHANGELOG.md"
    assert changelog.is_file(), f"{changelog.name} is not beside the documentation"
    assert line in changelog.read_text(encoding="utf-8"), f"{changelog.name} does not say `{line}`"


def _read(file: Path, context: Context) -> Manifest:
    try:
        return read_manifest(file, context.catalog)
    except CatalogError as error:
        first = error.problems[0]
        pytest.fail(
            f"{file.name}:{first.line}: {first.field}: {first.message}; {first.remedy}", pytrace=False
        )


def _same_block(name: str, text: str, connector: Connector, context: Context) -> None:
    found = pages.blocks(text)
    assert name in found, f"the table `{name}` is missing"
    expected = pages.BLOCKS[name](connector.name, context.catalog)
    assert found[name].strip() == expected.strip(), f"the table `{name}` is not what the catalogue says"


def _resolves(page: Path, link: str) -> bool:
    target, _, anchor = link.partition("#")
    path = (page.parent / target).resolve() if target else page
    if not path.exists():
        return False
    return not anchor or anchor in _anchors(path)


def _anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ +(.+?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
