"""Exports hold the rows of the published file, each judged by its consumer's own rules, and replace nothing by half."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import duckdb
import jsonschema
import pytest
import yaml
from nights import Witness, cmdb_here, copy_of, node_packages

from pipelines.exports import backstage, focus_columns
from pipelines.exports.files import MARK, ExportError, replaced
from pipelines.exports.relations import PARTITION, PUBLIC, read_relations
from resources.store.sql import literal
from resources.store.store import Store

VALIDATE = """
const model = require("@backstage/catalog-model");
const kinds = {
  Location: model.locationEntityV1alpha1Validator, Group: model.groupEntityV1alpha1Validator,
  System: model.systemEntityV1alpha1Validator, Resource: model.resourceEntityV1alpha1Validator,
};
async function main() {
  const entities = JSON.parse(require("fs").readFileSync(0, "utf-8"));
  const wellFormed = new model.FieldFormatEntityPolicy();
  const refused = [];
  for (const entity of entities) {
    try {
      if (!(await kinds[entity.kind].check(entity))) throw new Error("of another kind");
      await new model.SchemaValidEntityPolicy().enforce(entity);
      await wellFormed.enforce(entity);
      await new model.NoForeignRootFieldsEntityPolicy().enforce(entity);
    } catch (error) { refused.push(`${entity.metadata.name}: ${error.message}`); }
  }
  console.log(JSON.stringify(refused));
}
main();
"""
"""Holds each entity against Backstage's schemas and policies; prints what they refuse."""


@pytest.fixture(scope="module")
def environment(witnessed_night: Witness) -> dict[str, str]:
    return {"CMDB_DATABASE": str(witnessed_night.database)}


@pytest.fixture(scope="module")
def exported(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Parquet export of the truthful run."""
    folder = tmp_path_factory.mktemp("exported") / "parquet"
    done = cmdb_here(environment, "export", "parquet", str(folder), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (folder.parent / "said.json").write_text(done.stdout, encoding="utf-8")
    return folder


def test_the_parquet_files_hold_every_row_of_every_public_relation_to_the_last_digit(
    exported: Path, witnessed_night: Witness
) -> None:
    rows = {
        Path(entry["file"]).name: entry["rows"] for entry in json.loads((exported.parent / "said.json").read_text())
    }
    with duckdb.connect(str(witnessed_night.database), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        relations = read_relations(connection)
        assert {relation.name for relation in relations} == rows.keys()
        assert {relation.name.split(".")[0] for relation in relations} == set(PUBLIC)
        for relation in relations:
            files_ = literal(exported / relation.name / "**" / "*.parquet")
            here = connection.execute(f"select count(*) from {relation.sql}").fetchone()
            read = f"read_parquet({files_}, hive_partitioning = {str(relation.is_daily).lower()})"
            types = {name: kind for name, kind, *_ in connection.execute(f"describe select * from {read}").fetchall()}
            wanted = {
                column.name: "DECIMAL(38,0)" if column.type == "HUGEINT" else column.type for column in relation.columns
            }
            types.pop(PARTITION if relation.is_daily else "", None)
            assert types == wanted, relation.name
            assert here == (rows[relation.name],)
            shown = ", ".join(f'"{column.name}"' for column in relation.columns)
            # A bag of rows: whatever one has more often than the other is in one of the two differences.
            differ = f"""
                select count(*) from (
                    (select {shown} from {relation.sql} except all select {shown} from {read})
                    union all (select {shown} from {read} except all select {shown} from {relation.sql})
                )
            """
            assert connection.execute(differ).fetchone() == (0,), relation.name


def test_a_relation_of_days_is_partitioned_by_month_and_an_empty_one_has_its_columns(exported: Path) -> None:
    months = sorted(path.name for path in (exported / "cost.daily").iterdir())
    assert len(months) > 1 and all(name.startswith(f"{PARTITION}=20") for name in months)
    with duckdb.connect() as connection:
        read = f"from read_parquet({literal(exported / 'cost.restatement' / '**' / '*.parquet')})"
        assert connection.execute(f"select count(*) {read}").fetchone() == (0,)
        assert "usage_date" in {row[0] for row in connection.execute(f"describe select * {read}").fetchall()}


def test_each_file_says_how_much_of_its_scope_is_unknown(exported: Path, witnessed_night: Witness) -> None:
    with duckdb.connect(str(witnessed_night.database), read_only=True) as connection:
        claimed = connection.execute(
            "select judged, unknown, unknown_reason from audit.claim where claim = 'cmdb.resource'"
        ).fetchone()
    assert claimed is not None and claimed[1] > 0
    with duckdb.connect() as connection:
        file = literal(exported / "cmdb.resource" / "data_0.parquet")
        noted = dict(
            connection.execute(f"select decode(key), decode(value) from parquet_kv_metadata({file})").fetchall()
        )
    assert (int(noted["judged"]), int(noted["unknown"]), noted["unknown_reason"]) == claimed
    contract = yaml.safe_load((exported / "aws-org-cmdb.odcs.yaml").read_text(encoding="utf-8"))
    (resource,) = (entry for entry in contract["schema"] if entry["name"] == "cmdb.resource")
    properties = {entry["property"]: entry["value"] for entry in resource["customProperties"]}
    assert (properties["judged"], properties["unknown"], properties["unknown_reason"]) == claimed


def test_the_data_contract_is_one_by_the_standards_own_schema(exported: Path) -> None:
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    contract = yaml.safe_load((exported / "aws-org-cmdb.odcs.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(contract, schema)
    named = [entry["name"] for entry in contract["schema"]]
    assert sorted(path.name for path in exported.iterdir() if path.is_dir()) == sorted(named)
    assert all(column["description"] for entry in contract["schema"] for column in entry["properties"])
    contract["schema"][0]["properties"][0]["logicalType"] = "money"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(contract, schema)


@pytest.mark.parametrize("version", focus_columns.VERSIONS)
def test_focus_holds_the_rows_of_its_view_in_the_columns_of_the_version(
    environment: dict[str, str], witnessed_night: Witness, tmp_path: Path, version: str
) -> None:
    done = cmdb_here(environment, "export", "focus", str(tmp_path / "focus"), "--version", version, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    described = json.loads((tmp_path / "focus" / MARK).read_text(encoding="utf-8"))
    assert described["version"] == version
    file = literal(tmp_path / "focus" / "cost.focus_cost_and_usage" / "data_0.parquet")
    total = "select count(*), sum(BilledCost), sum(ListCost), sum(ContractedCost) from"
    types = {"String": "VARCHAR", "JSON": "VARCHAR", "Decimal": "DECIMAL(28,10)", "Date/Time": "TIMESTAMP"}
    facts = focus_columns.columns(version)
    written = [column for column in facts if column.name not in described["left_out"]]
    with duckdb.connect(str(witnessed_night.database), read_only=True) as connection:
        wanted = connection.execute(f"{total} cost.focus_cost_and_usage").fetchone()
        assert connection.execute(f"{total} {file}").fetchone() == wanted
        found = {name: kind for name, kind, *_ in connection.execute(f"describe select * from {file}").fetchall()}
        assert found == {column.name: types[column.kind] for column in written}
        assert list(found) == sorted(found)
        for column in written:
            name = f'"{column.name}"'
            values = {row[0] for row in connection.execute(f"select distinct {name} from {file}").fetchall()}
            assert column.nullable or None not in values, column.name
            assert not column.allowed or values <= {None, *column.allowed}, column.name
        unequal = f"""select count(*) from {file} where "EffectiveCost" <> "BilledCost" and "ChargeCategory" """
        assert connection.execute(f"{unequal} in ('Tax', 'Credit')").fetchone() == (0,)
        assert connection.execute(f"{unequal} = 'Usage'").fetchone() != (0,)
    assert wanted is not None and wanted[0] == json.loads(done.stdout)[0]["rows"] > 0
    assert all(column.level == "Conditional" for column in facts if column.name in described["left_out"])


def test_a_category_that_focus_does_not_know_is_refused_and_the_last_export_stays(
    truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    here = {"CMDB_DATABASE": str(database)}
    folder = tmp_path / "focus"
    assert cmdb_here(here, "export", "focus", str(folder), "--version", "1.4").returncode == 0
    before = (folder / MARK).stat().st_ino
    database.resolve().chmod(0o600)
    with duckdb.connect(str(database.resolve())) as connection:
        connection.execute("update ref.service_category set service_category = 'Computing' where service like '%EC2%'")
    done = cmdb_here(here, "export", "focus", str(folder), "--version", "1.4")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "FOCUS 1.4 does not allow this Service" in done.stderr and "Nothing was exported" in done.stderr
    assert (folder / MARK).stat().st_ino == before


def test_a_version_of_focus_that_nobody_writes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = cmdb_here({}, "export", "focus", str(tmp_path / "focus"), "--version", "1.3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "FOCUS 1.3 cannot be written, only 1.2 and 1.4. Nothing was exported. Write --version 1.4, or what your reader "
        "takes.\n"
    )
    assert not (tmp_path / "focus").exists()


# --------------------------------------------------------------------------------------------------- Backstage


@pytest.fixture(scope="module")
def entities(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[backstage.Entity]:
    """All entities that the location leads to."""
    folder = tmp_path_factory.mktemp("entities") / "backstage"
    done = cmdb_here(environment, "export", "backstage", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert "more are unknown (no_profile" in done.stdout
    (location,) = yaml.safe_load_all((folder / backstage.LOCATION).read_text(encoding="utf-8"))
    found = [location]
    for target in location["spec"]["targets"]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found += yaml.load_all((folder / target).read_text(encoding="utf-8"), Loader=loader)
    return found


def test_each_item_that_is_not_retired_is_a_resource_and_every_reference_leads_to_an_entity(
    entities: list[backstage.Entity], witnessed_night: Witness
) -> None:
    with duckdb.connect(str(witnessed_night.database), read_only=True) as connection:
        wanted = connection.execute("select arn from cmdb.resource where status != 'retired'").fetchall()
    resources = [entity for entity in entities if entity["kind"] == "Resource"]
    assert sorted(entity["metadata"]["annotations"]["amazonaws.com/arn"] for entity in resources) == sorted(
        arn for (arn,) in wanted
    )
    names = [(entity["kind"].lower(), entity["metadata"]["name"]) for entity in entities]
    assert len(set(names)) == len(names)
    known = {f"{kind}:default/{name}" for kind, name in names}
    for entity in entities:
        spec = entity["spec"]
        wanted_ = [*spec.get("dependsOn", []), *([spec["owner"]] if "owner" in spec else [])]
        wanted_ += [f"system:default/{spec['system']}"] if "system" in spec else []
        assert set(wanted_) <= known
    assert any("dependsOn" in entity["spec"] for entity in resources)


class Yaml12(yaml.SafeLoader):
    """Reads YAML 1.2's core schema, as Backstage does; PyYAML's own loaders read YAML 1.1."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


Yaml12.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|[nN]ull|NULL|)$"), None)
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:[tT]rue|TRUE|[fF]alse|FALSE)$"), None)
Yaml12.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), None)
Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"), None
)


def test_what_looks_like_a_number_is_text_in_the_yaml_that_backstage_reads(
    truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    with duckdb.connect(str(database.resolve())) as connection:
        connection.execute("update cmdb.resource set account_id = '089123456789', name = '1e3' where status = 'active'")
    backstage.export_backstage(tmp_path / "backstage", Store(database))
    text = (tmp_path / "backstage" / "resources" / "089123456789.yaml").read_text(encoding="utf-8")
    entities = list(yaml.load_all(text, Loader=Yaml12))
    assert {entity["metadata"]["title"] for entity in entities} >= {"1e3"}
    for entity in entities:
        texts = [entity["metadata"]["title"], *entity["metadata"]["annotations"].values()]
        assert all(isinstance(value, str) for value in texts), texts
        assert entity["metadata"]["annotations"]["amazonaws.com/account-id"] == "089123456789"


def test_a_name_is_one_that_backstage_accepts_and_another_for_each_text() -> None:
    texts = [
        "",
        "-",
        "出口",
        "a" * 200,
        "b" * 199 + "c",
        "arn:aws:s3:::x.y_z",
        "mere.ngata@example.com",
        "Mere.Ngata@example.com",
    ]
    names = [backstage.entity_name(text) for text in texts]
    assert len({name.lower() for name in names}) == len(texts)
    for name in names:
        assert 0 < len(name) <= 63 and name.replace("-", "").isalnum() and name.isascii()


def test_backstages_own_validators_accept_every_entity(entities: list[backstage.Entity]) -> None:
    node = shutil.which("node")
    places = node_packages("@backstage", "catalog-model")
    if node is None or not places:
        pytest.skip("Backstage's validators are an npm package: make setup-node")
    broken = json.loads(json.dumps(entities[-1]))
    broken["metadata"]["name"] = "no name/of theirs"
    done = subprocess.run(
        [node, "-e", VALIDATE], input=json.dumps([*entities, broken]), capture_output=True, text=True,
        env={**os.environ, "NODE_PATH": str(places[0])}, check=True,
    )  # fmt: skip
    refused = json.loads(done.stdout)
    assert len(refused) == 1 and "no name/of theirs" in refused[0]


# --------------------------------------------------------------------------------------------- whole or not at all


def test_a_folder_of_something_else_is_left_alone(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    for format_ in ("parquet", "focus", "backstage"):
        done = cmdb_here(environment, "export", format_, str(tmp_path))
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and "Nothing was exported" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_breaks_off_leaves_the_last_export_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with replaced(folder, {"format": "test"}) as part:
        (part / "rows").write_text("first", encoding="utf-8")
    with pytest.raises(ExportError, match="Nothing was exported"), replaced(folder, {"format": "test"}) as part:
        (part / "rows").write_text("second", encoding="utf-8")
        raise OSError(28, "No space left on device")
    assert (folder / "rows").read_text(encoding="utf-8") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with replaced(folder, {"format": "test"}) as part:
        (part / "other").write_text("third", encoding="utf-8")
    # What the last export had and this one has not is gone.
    assert sorted(path.name for path in folder.iterdir()) == [MARK, "other"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 for path in (folder, *folder.iterdir()))


def test_a_symbolic_link_stays_one_and_its_folder_has_the_newest_export(tmp_path: Path) -> None:
    share = tmp_path / "share" / "exports"
    share.mkdir(parents=True)
    link = tmp_path / "app" / "exports"
    link.parent.mkdir()
    link.symlink_to(share)
    for number in ("first", "second"):
        with replaced(link, {"run": number}) as part:
            (part / "rows").write_text(number, encoding="utf-8")
    assert link.is_symlink() and json.loads((share / MARK).read_text(encoding="utf-8")) == {"run": "second"}
    assert [*share.parent.iterdir(), *link.parent.iterdir()] == [share, link]


def test_a_mount_point_is_refused_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with replaced(tmp_path / "out", {}):
        pass

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    for patched, name in ((Path, "rename"), (os.path, "ismount")):
        with monkeypatch.context() as patch:
            patch.setattr(patched, name, busy if name == "rename" else lambda _: True)
            refused = pytest.raises(ExportError, match=r"out is a mount point.*Name a folder in it")
            with refused, replaced(tmp_path / "out", {}):
                pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_export_left_is_removed_by_a_later_one(tmp_path: Path) -> None:
    old, young = (tmp_path / f".out.cmdb-export-{name}" for name in ("old", "young"))
    for path in (old, young):
        (path / "part").mkdir(parents=True)
    os.utime(old, (0, 0))
    with replaced(tmp_path / "out", {}):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "out"]


def test_rows_are_written_in_the_same_order_each_time(witnessed_night: Witness, tmp_path: Path) -> None:
    """By several threads a large view came in another order in one of two exports; here it comes by one."""
    with Store(witnessed_night.database).exporting(tmp_path) as connection:
        assert connection.execute("select current_setting('threads')").fetchone() == (1,)


def test_a_connection_that_exports_writes_into_its_folder_alone(witnessed_night: Witness, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with Store(witnessed_night.database).exporting(tmp_path / "out") as connection:
        connection.execute(f"copy (select 1 as one) to {literal(tmp_path / 'out' / 'one.parquet')}")
        for statement in (
            f"copy (select 1 as one) to {literal(tmp_path / 'one.parquet')}",
            f"copy (select 1 as one) to {literal(tmp_path / 'out' / '..' / 'one.parquet')}",
            f"copy (select 1 as one) to {literal(f'{tmp_path}/outside.parquet')}",
            "select * from read_text('/etc/passwd')",
            "create table cmdb.mine (one integer)",
            "set enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["one.parquet", "out"]
