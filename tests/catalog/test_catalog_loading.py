"""Loading: what shorthand means, what the digest sees, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.catalog.vocabulary import DriftBehaviour, DriftKind, Strategy, Support
from tests.catalog.conftest import Edit, problems_of


class TestWhatShorthandMeans:
    def test_lists_of_sinks_become_one_route_each(self, small: Path) -> None:
        engine = load_catalog(small).engines["reference"]
        assert [(r.source, r.sink) for r in engine.routes] == [
            ("postgres", "postgres"),
            ("postgres", "duckdb"),
        ]

    def test_rest_of_matrix_fills_only_what_is_not_claimed(self, small: Path) -> None:
        engine = load_catalog(small).engines["reference"]
        own = engine.route("postgres", "postgres")
        other = engine.route("postgres", "duckdb")
        assert own is not None
        assert other is not None
        assert own.strategies[Strategy.FULL_REFRESH].support is Support.FULL
        assert own.strategies[Strategy.SCD2].support is Support.NOT_IMPLEMENTED
        assert own.strategies[Strategy.SCD2].note == "not yet"
        assert Strategy.SCD2 not in other.strategies, "scd2 into duckdb is no case of this matrix"

    def test_rest_of_matrix_adds_pairs_that_are_not_named(self, edit: Edit) -> None:
        directory = edit("engines/reference.yaml", "sink: [postgres, duckdb]", "sink: postgres")
        route = load_catalog(directory).engines["reference"].route("postgres", "duckdb")
        assert route is not None
        assert {s: c.support for s, c in route.strategies.items()} == {
            Strategy.FULL_REFRESH: Support.NOT_IMPLEMENTED
        }

    def test_a_claim_may_be_just_its_support(self, edit: Edit) -> None:
        directory = edit("engines/reference.yaml", "strategies:\n", "strategies:\n      scd2: Unsupported\n")
        route = load_catalog(directory).engines["reference"].route("postgres", "duckdb")
        assert route is not None
        assert route.strategies[Strategy.SCD2].support is Support.UNSUPPORTED

    def test_a_strategy_overrides_the_drift_of_its_route(self, small: Path) -> None:
        route = load_catalog(small).engines["reference"].route("postgres", "duckdb")
        assert route is not None
        assert route.drift_behaviour(Strategy.FULL_REFRESH, DriftKind.ADD) is DriftBehaviour.IGNORED
        assert route.drift_behaviour(Strategy.SCD2, DriftKind.ADD) is DriftBehaviour.APPLIED
        assert route.drift_behaviour(Strategy.FULL_REFRESH, DriftKind.DROP) is None

    def test_the_key_null_is_a_word(self, small: Path) -> None:
        route = load_catalog(small).engines["reference"].route("postgres", "duckdb")
        assert route is not None
        assert DriftKind.NULL in route.drift

    def test_what_is_written_wins_over_what_is_merged_and_earlier_merges_over_later(self, edit: Edit) -> None:
        directory = edit(
            "systems.yaml",
            "duckdb:\n  title: DuckDB\n  remedy: install it\n",
            "x-a: &a {title: A, remedy: A}\n"
            "x-b: &b {title: B, remedy: B, kinds: [b]}\n"
            "duckdb:\n  <<: [*a, *b]\n  title: DuckDB\n",
        )
        duckdb = load_catalog(directory).systems["duckdb"]
        assert (duckdb.title, duckdb.remedy, duckdb.kinds) == ("DuckDB", "A", ("b",))

    def test_scenarios_may_be_spread_over_a_folder(self, small: Path) -> None:
        before = catalog_digest(load_catalog(small))
        (small / "scenarios").mkdir()
        (small / "scenarios.yaml").rename(small / "scenarios" / "all.yaml")
        assert catalog_digest(load_catalog(small)) == before

    def test_a_directory_is_read_anew_each_time(self, edit: Edit) -> None:
        directory = edit("systems.yaml", "title: DuckDB", "title: Duck")
        assert load_catalog(directory).systems["duckdb"].title == "Duck"
        edit("systems.yaml", "title: Duck", "title: Drake")
        assert load_catalog(directory).systems["duckdb"].title == "Drake"


class TestDigest:
    def test_ignores_comments_key_order_and_shorthand(self, small: Path, edit: Edit) -> None:
        before = catalog_digest(load_catalog(small))
        edit(
            "engines/reference.yaml",
            "sink: [postgres, duckdb]\n    drift: {add: applied, null: applied}",
            "sink: # both\n      - postgres\n      - duckdb\n    drift: {null: applied, add: applied}",
        )
        systems = small / "systems.yaml"
        loaded = yaml.safe_load(systems.read_text())
        systems.write_text(yaml.safe_dump(dict(reversed(loaded.items())), sort_keys=False))
        assert catalog_digest(load_catalog(small)) == before

    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [
            ("systems.yaml", "title: DuckDB", "title: Duck"),
            ("matrix.yaml", "scd2: {not_sinks: [duckdb]}", "scd2: {}"),
            ("profiles.yaml", "engines: [reference]", "engines: [reference]\n  rows: 9"),
            ("scenarios.yaml", "passes_when: what MUST be", "passes_when: what may be"),
            ("types.yaml", "physical: [decimal]", "physical: [numeric]"),
            ("engines/reference.yaml", "guarantee: effectively-once", "guarantee: exactly-once"),
            ("policies/house.yaml", "text: Schema drift", "text: Drift"),
        ],
    )
    def test_sees_every_change_of_content(
        self, small: Path, edit: Edit, name: str, old: str, new: str
    ) -> None:
        before = catalog_digest(load_catalog(small))
        assert catalog_digest(load_catalog(edit(name, old, new))) != before


MISTAKES = {
    "unknown key": (
        ("systems.yaml", "kinds: [postgresql]", "kindz: [postgresql]"),
        "systems.yaml:3:3 postgres.kindz | unknown key `kindz` | did you mean `kinds`? "
        "Known: capabilities, disturbable, id, kinds, remedy, source, title",
    ),
    "no value": (
        ("systems.yaml", "title: DuckDB", "title:"),
        "systems.yaml:6:9 duckdb.title | `title` has no value | input should be a valid string",
    ),
    "missing field": (
        ("systems.yaml", "  title: DuckDB\n", ""),
        "systems.yaml:6:3 duckdb.title | `title` is missing | add `title:` here",
    ),
    "duplicate key": (
        ("systems.yaml", "  title: DuckDB\n", "  title: DuckDB\n  title: Duck\n"),
        "systems.yaml:7:3 duckdb.title | `title` is given twice; first on line 6 | keep one of the two",
    ),
    "wrong type": (
        ("systems.yaml", "title: DuckDB", "title: 7"),
        "systems.yaml:6:10 duckdb.title | `title` cannot be `7` | input should be a valid string",
    ),
    "unknown strategy as a key": (
        ("engines/reference.yaml", "full_refresh: {", "full_refreh: {"),
        "engines/reference.yaml:9:7 routes[0].strategies.full_refreh | `full_refreh` is not allowed here | "
        "did you mean `full_refresh`? Known: backfill, cdc, full_refresh, incremental_append, "
        "incremental_merge, partition_replace, replace, scd2, snapshot_diff, xmin",
    ),
    "unknown enum value": (
        ("engines/reference.yaml", "support: Full", "support: full"),
        "engines/reference.yaml:9:31 routes[0].strategies.full_refresh.support | "
        "`full` is not allowed here | "
        "did you mean `Full`? Known: Full, NotImplemented, NotInArtifact, Partial, Unsupported",
    ),
    "unknown literal": (
        ("scenarios.yaml", "proves: beta", "proves: betta"),
        "scenarios.yaml:7:11 schema.null.proves | `betta` is not allowed here | did you mean `beta`? "
        "Known: beta, experimental, production",
    ),
    "unknown system on a route": (
        ("engines/reference.yaml", "sink: [postgres, duckdb]", "sink: [postgres, dukdb]"),
        "engines/reference.yaml:6:22 routes[0].sink[1] | no system `dukdb` | did you mean `duckdb`? "
        "Known: duckdb, postgres",
    ),
    "need that nobody measures": (
        ("engines/reference.yaml", "guarantee: effectively-once, drift", "needs: [wal2jsom], drift"),
        "engines/reference.yaml:9:45 routes[0].strategies.full_refresh.needs[0] | "
        "`wal2jsom` is no capability of postgres as source nor of postgres as sink | "
        "nothing of that kind is defined yet",
    ),
    "pair claimed twice": (
        ("engines/reference.yaml", "sink: [postgres, duckdb]", "sink: [duckdb, duckdb]"),
        "engines/reference.yaml:6:20 routes[0].sink[1] | "
        "postgres → duckdb is claimed twice; first on line 5 | "
        "keep one of the two",
    ),
    "wholesale claim": (
        (
            "engines/reference.yaml",
            "rest_of_matrix: {support: NotImplemented",
            "rest_of_matrix: {support: Full",
        ),
        "engines/reference.yaml:10:17 rest_of_matrix | "
        "`rest_of_matrix` claims Full for routes it does not name | "
        "name the routes, or use NotImplemented",
    ),
    "driver without a start": (
        ("engines/reference.yaml", "driver: {command: [python]}", "driver: {}"),
        "engines/reference.yaml:3:9 driver | the driver has neither `command` nor `script` | "
        "say how the engine is started",
    ),
    "id that is not the file's": (
        ("engines/reference.yaml", "title: Reference", "id: other\ntitle: Reference"),
        "engines/reference.yaml:1:1 id | the id `other` differs from where it is defined, `reference` | "
        "remove `id:`",
    ),
    "unknown engine in a profile": (
        ("profiles.yaml", "engines: [reference]", "engines: [referenz]"),
        "profiles.yaml:6:13 embedded.engines[0] | no engine `referenz` | did you mean `reference`? "
        "Known: reference",
    ),
    "profile without systems": (
        ("profiles.yaml", "systems: [postgres, duckdb]", "systems: []"),
        "profiles.yaml:5:12 embedded.systems | a profile without systems plans nothing | name its systems",
    ),
    "unknown system in the matrix": (
        ("matrix.yaml", "sources: [postgres]", "sources: [postgress]"),
        "matrix.yaml:1:11 sources[0] | no system `postgress` | "
        "did you mean `postgres`? Known: duckdb, postgres",
    ),
    "exclusion that excludes nothing": (
        ("matrix.yaml", "not_sinks: [duckdb]", "not_sinks: [sqlite]"),
        "matrix.yaml:5:22 strategies.scd2.not_sinks[0] | `sqlite` is none of the matrix's sinks | "
        "use one of: duckdb, postgres",
    ),
    "strategy without its scenario": (
        ("scenarios.yaml", "strategy.scd2:", "strategy.scd1:"),
        "matrix.yaml:5:9 strategies.scd2 | the matrix plans scd2, but there is no scenario `strategy.scd2` | "
        "add `strategy.scd2` to the scenarios",
    ),
    "scenario without strategies": (
        ("scenarios.yaml", "strategies: [scd2]", "strategies: []"),
        "scenarios.yaml:15:15 strategy.scd2.strategies | no strategy: the scenario would never be planned | "
        "name its strategies",
    ),
    "version without a note": (
        ("scenarios.yaml", "version: 1", "version: 2"),
        "scenarios.yaml:2:12 schema.null.version | nothing says what version 2 changed | "
        "write it under `history: {2: …}`",
    ),
    "note on no version": (
        ("scenarios.yaml", "version: 1", "version: 1\n  history: {2: More rows.}"),
        "scenarios.yaml:3:16 schema.null.history.2 | a note on version 2, but notes are on 2 to `version`, "
        "which is 1 | raise `version`, or remove the note",
    ),
    "unknown engine among those an entry does not mean": (
        (
            "profiles.yaml",
            "engines: [reference]",
            "engines: [reference]\n  leaves_out: [{engine: '*', but: [refrence], why: long}]",
        ),
        "profiles.yaml:7:36 embedded.leaves_out[0].but[0] | no engine `refrence` | did you mean `reference`?",
    ),
    "unknown system among the types": (
        ("types.yaml", "duckdb:", "duck:"),
        "types.yaml:1:1 duck | no system `duck` | did you mean `duckdb`? Known: duckdb, postgres",
    ),
    "unknown logical type on a route": (
        (
            "engines/reference.yaml",
            "drift: {add: applied, null: applied}",
            "types: {decimel: {loss: [scale]}}",
        ),
        "engines/reference.yaml:7:22 routes[0].types.decimel | no logical type `decimel` in types.yaml | "
        "did you mean `decimal`? Known: decimal",
    ),
    "pattern that matches no scenario": (
        ("policies/house.yaml", '"schema.*"', '"schemas.*"'),
        "policies/house.yaml:11:21 levels[0].requirements[0].scenarios[0] | "
        "`schemas.*` matches no scenario | ",
    ),
    "requirement that nothing proves": (
        ("policies/house.yaml", '        scenarios: ["schema.*"]\n', ""),
        "policies/house.yaml:9:9 levels[0].requirements[0] | "
        "nothing proves `beta.drift`: it could never be met, "
        "or would be met by nothing | name the scenarios, checks or documents that prove it",
    ),
    "check nobody describes": (
        ("policies/house.yaml", "checks: [live.smoke]", "checks: [live.smoke, live.smok]"),
        "policies/house.yaml:14:30 levels[0].requirements[1].checks[1] | "
        "the check `live.smok` is not described "
        "under `checks` | did you mean `live.smoke`? Known: live.smoke",
    ),
    "check nobody uses": (
        (
            "policies/house.yaml",
            "  live.smoke: {",
            "  live.fire: {title: F, passes_when: F, remedy: F, item: live_tests}\n  live.smoke: {",
        ),
        "policies/house.yaml:4:14 checks.live.fire | no requirement uses the check `live.fire` | "
        "use it, or remove it",
    ),
    "check proven by nothing": (
        ("policies/house.yaml", ", item: live_tests", ""),
        "policies/house.yaml:4:15 checks.live.smoke | `live.smoke` cannot be a dict | "
        "value error, name exactly one of item, family, soak, attestation",
    ),
    "soak over an unknown scenario": (
        (
            "policies/house.yaml",
            "item: live_tests",
            "soak: {runs: 1, days: 1, longest_gap_hours: 9, scenarios: [schemas.add]}",
        ),
        "policies/house.yaml:4:",
    ),
    "requirement twice": (
        ("policies/house.yaml", "id: beta.live", "id: beta.drift"),
        "policies/house.yaml:12:13 levels[0].requirements[1].id | "
        "the requirement `beta.drift` occurs twice | "
        "rename one",
    ),
    "alias in a circle": (
        ("systems.yaml", "kinds: [postgresql]", "kinds: &k [*k]"),
        "systems.yaml:3:10 postgres.kinds[0] | an alias that contains itself | break the circle",
    ),
    "foreign tag": (
        ("systems.yaml", "title: DuckDB", "title: !!python/name:os.system"),
        "systems.yaml:6:10 duckdb.title | "
        "the tag tag:yaml.org,2002:python/name:os.system has no meaning here | "
        "remove the tag",
    ),
    "broken indentation": (
        ("systems.yaml", "  title: DuckDB\n", "title DuckDB\n"),
        "systems.yaml:7:",
    ),
}


class TestMistakes:
    @pytest.mark.parametrize("name", MISTAKES)
    def test_says_file_line_column_field_and_remedy(self, edit: Edit, name: str) -> None:
        change, expected = MISTAKES[name]
        found = problems_of(edit(*change))
        assert any(problem.startswith(expected) for problem in found), found

    def test_one_mistake_is_one_problem(self, edit: Edit) -> None:
        assert len(problems_of(edit("systems.yaml", "kinds: [postgresql]", "kindz: [postgresql]"))) == 1
        edit("systems.yaml", "kindz: [postgresql]", "kinds: [postgresql]")
        # shared by two routes through the list of sinks
        assert len(problems_of(edit("engines/reference.yaml", "support: Full", "support: full"))) == 1

    def test_a_broken_entry_is_not_also_an_unknown_one(self, edit: Edit) -> None:
        """DuckDB's entry is wrong, yet everything that names duckdb is right."""
        assert len(problems_of(edit("systems.yaml", "title: DuckDB", "title: [DuckDB]"))) == 1

    def test_all_files_are_reported_at_once_in_reading_order(self, edit: Edit) -> None:
        edit("systems.yaml", "title: DuckDB", "titel: DuckDB")
        edit("profiles.yaml", "seed_name: mock_contract", "seed_name: mock")
        found = problems_of(edit("engines/reference.yaml", "support: Full", "support: full"))
        assert [problem.split(" ")[0] for problem in found] == [
            "engines/reference.yaml:9:31",
            "profiles.yaml:3:14",
            "systems.yaml:6:3",
            "systems.yaml:6:3",
        ]

    def test_lines_sort_as_numbers(self, edit: Edit) -> None:
        edit("scenarios.yaml", "title: Full refresh", "titel: Full refresh")
        found = problems_of(edit("scenarios.yaml", "title: NULL allowed", "titel: NULL allowed"))
        lines = [int(problem.split(":")[1]) for problem in found]
        assert lines == sorted(lines)
        assert lines[0] < 10 < lines[-1]

    def test_reads_as_text(self, edit: Edit) -> None:
        directory = edit("systems.yaml", "kinds: [postgresql]", "kindz: [postgresql]")
        with pytest.raises(CatalogError) as caught:
            load_catalog(directory)
        assert str(caught.value) == (
            "The catalogue has 1 problem.\n"
            "\n"
            f"{directory}/systems.yaml:3:3  postgres.kindz\n"
            "    unknown key `kindz`\n"
            "    → did you mean `kinds`? Known: capabilities, disturbable, id, kinds, remedy, source, title"
        )


class TestDamagedFiles:
    @pytest.mark.parametrize("name", ["matrix", "systems", "profiles", "scenarios", "types"])
    def test_a_missing_file(self, small: Path, name: str) -> None:
        (small / f"{name}.yaml").unlink()
        missing = f"{name}.yaml:1:1  | the file is missing"
        assert any(problem.startswith(missing) for problem in problems_of(small))

    def test_an_empty_file(self, small: Path) -> None:
        (small / "profiles.yaml").write_text("# nothing but words\n")
        assert problems_of(small) == [
            "profiles.yaml:1:1  | is empty | fill it, or delete it if it is not needed"
        ]

    def test_a_list_instead_of_a_mapping(self, small: Path) -> None:
        (small / "profiles.yaml").write_text("- one\n")
        assert problems_of(small)[0].startswith("profiles.yaml:1:1  | the file is no mapping")

    def test_latin1(self, small: Path) -> None:
        (small / "types.yaml").write_bytes("duckdb: {} # für".encode("latin-1"))
        assert problems_of(small) == ["types.yaml:1:1  | is not UTF-8 (byte 14) | save it as UTF-8"]

    def test_a_directory_in_a_files_place(self, small: Path) -> None:
        (small / "types.yaml").unlink()
        (small / "types.yaml").mkdir()
        assert problems_of(small)[0].startswith("types.yaml:1:1  | cannot be read")

    def test_no_engine_at_all(self, small: Path) -> None:
        (small / "engines/reference.yaml").unlink()
        assert ".:1:1  | has no engines | add engines/<id>.yaml" in problems_of(small)

    def test_no_directory(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogError, match="is not a directory"):
            load_catalog(tmp_path / "nowhere")

    def test_aliases_that_multiply(self, small: Path) -> None:
        lines = ["x-a: &a0 [lol, lol]"]
        lines += [f"x-{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
        (small / "types.yaml").write_text("\n".join(lines) + "\n")
        assert any("aliases multiply" in problem for problem in problems_of(small))

    def test_a_merge_of_no_mapping(self, edit: Edit) -> None:
        found = problems_of(edit("systems.yaml", "kinds: [postgresql]", "<<: [one, two]"))
        assert all("`<<` merges something that is no mapping" in problem for problem in found)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=st.text(max_size=60) | st.binary(max_size=60))
    def test_no_content_whatever_makes_a_traceback(self, small: Path, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        for name in ("systems.yaml", "engines/reference.yaml", "types.yaml"):
            file = small / name
            kept = file.read_bytes()
            file.write_bytes(kept + b"\n" + data)
            try:
                load_catalog(small)
            except CatalogError as error:
                said = str(error)
            else:
                said = ""
            finally:
                file.write_bytes(kept)
            assert not said or "    → " in said

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_nor_does_any_value_in_any_place(self, small: Path, data: st.DataObject) -> None:
        """Put an odd value where another stands; the answer is a catalogue or a list of problems."""
        name = data.draw(st.sampled_from(["matrix.yaml", "engines/reference.yaml", "policies/house.yaml"]))
        file = small / name
        kept = file.read_text()
        tree = yaml.safe_load(kept.replace("null: applied", "'null': applied"))
        odd = data.draw(st.sampled_from([None, 3, 1.5, "x", [], {}, [None], {"x": 1}, [[1]], {"": {}}, True]))
        holder, key = data.draw(st.sampled_from(list(_places(tree))))
        holder[key] = odd
        file.write_text(yaml.safe_dump(tree))
        try:
            load_catalog(small)
        except CatalogError as error:
            str(error)
        finally:
            file.write_text(kept)


def _places(tree: object) -> list[tuple[dict | list, str | int]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in [(tree, key), *_places(value)]]
