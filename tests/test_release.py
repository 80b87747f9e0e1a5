"""A release of which a file is missing refuses, and says which: fewer rules must never look like rules that pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import SqlFileError
from pipelines.models.checks import read_checks
from pipelines.models.model import SCHEMAS, ModelError, read_models
from pipelines.report import figures
from resources import release
from resources.release import FILES, FOLDERS, ROOT, ProductFileError, require

_OF_EACH = [[file for file in FILES if file.rpartition("/")[0] == folder] for folder in FOLDERS]
ONE_EACH = [files[0] for files in _OF_EACH if len(files) > 1]
"""Of a folder with one file the sentence is that of an empty folder."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The product as it is installed, to be damaged."""
    unneeded = shutil.ignore_patterns("__pycache__", "demo", "landing", "versions", "*.duckdb", ".lock")
    for folder in ("pipelines", "resources", "warehouse"):
        shutil.copytree(ROOT / folder, tmp_path / "tree" / folder, ignore=unneeded)
    return tmp_path / "tree"


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of the copied product, with nothing configured."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "HOME": str(tree), "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_shipped_is_written_down_as_it_is() -> None:
    assert (ROOT / "resources" / "release_files.py").read_text(encoding="utf-8") == release.manifest()


def test_every_folder_that_a_loader_reads_is_compared() -> None:
    assert {f"warehouse/{schema}" for schema in SCHEMAS} <= FOLDERS.keys()
    shipped = {file.rpartition("/")[0] for file in FILES}
    assert shipped == FOLDERS.keys()
    # A folder of SQL files that nobody compares would fail open again.
    holding = {path.parent for part in ("warehouse", "pipelines") for path in (ROOT / part).rglob("*.sql")}
    assert {str(folder.relative_to(ROOT)) for folder in holding} <= FOLDERS.keys()


def test_a_whole_tree_is_taken_and_files_of_ones_own_beside_it(tree: Path) -> None:
    require(root=tree)
    (tree / "warehouse/checks/our_own_rule.sql").write_text("-- Ours.\n-- about: org.account\nselect 1 where false")
    (tree / "warehouse/checks/.#our_own_rule.sql").symlink_to("nowhere")
    (tree / "warehouse/our_queries").mkdir()
    (tree / "warehouse/our_queries/one.sql").write_text("select 1")
    require(root=tree)


@pytest.mark.parametrize("file", ONE_EACH)
@pytest.mark.parametrize("how", ["removed", "renamed", "a folder", "a dead link"])
def test_one_missing_file_is_named(tree: Path, file: str, how: str) -> None:
    (tree / file).unlink()
    if how == "renamed":
        (tree / file).with_name("other" + Path(file).suffix).touch()
    if how == "a folder":
        (tree / file).mkdir()
    if how == "a dead link":
        (tree / file).symlink_to("nowhere")
    with pytest.raises(ProductFileError) as refused:
        require(root=tree)
    assert f"not complete: {file} is missing." in str(refused.value)
    assert f"`git restore {file.rpartition('/')[0]}`" in str(refused.value)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_missing_empty_or_misspelt_folder_is_named(tree: Path, folder: str) -> None:
    place = tree / folder
    misspelt = place.with_name(place.name[:-1])
    place.rename(misspelt)
    with pytest.raises(ProductFileError) as refused:
        require(folder, root=tree)
    assert f"the folder {folder} is missing (there is {folder[:-1]}: was that meant?)" in str(refused.value)
    place.mkdir()
    with pytest.raises(ProductFileError, match=f"the folder {folder} holds none of its "):
        require(folder, root=tree)
    place.rmdir()
    place.touch()
    with pytest.raises(ProductFileError, match=f"the folder {folder} is missing"):
        require(folder, root=tree)


def test_many_missing_files_are_counted(tree: Path) -> None:
    files = sorted(file for file in FILES if file.startswith("warehouse/checks/"))
    for file in files[:8]:
        (tree / file).unlink()
    with pytest.raises(ProductFileError, match=f"{files[4]} and 3 more are missing"):
        require("warehouse/checks", root=tree)


@pytest.mark.parametrize("place", ["check/mine.sql", "Checks/mine.sql", "checks/team/mine.sql", "checks/mine.SQL"])
def test_a_rule_of_ones_own_that_nothing_would_request_is_named(tree: Path, place: str) -> None:
    file = tree / "warehouse" / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("-- Ours.\n-- about: org.account\nselect 1")
    with pytest.raises(ProductFileError, match=f"Nothing would read warehouse/{place}, so nothing was loaded"):
        require(root=tree)


# ------------------------------------------------------------------------------------------ through the product

ACCEPT = ["accept", "111122223333", "us-east-1", "ec2_instance", "--reason", "none"]


@pytest.mark.parametrize("gone", ["warehouse/checks/slices_agree.sql", "warehouse/cost", "warehouse/ref/tag_key.csv"])
def test_the_code_location_does_not_load_with_less(tree: Path, gone: str) -> None:
    # Twenty tables fewer, or one rule: with `release.require` left out, this loads without a word.
    shutil.rmtree(tree / gone) if (tree / gone).is_dir() else (tree / gone).unlink()
    done = run(tree, "-c", "from pipelines.definitions import build_defs; build_defs({}); print('loaded')")
    assert "loaded" not in done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("resources.release.ProductFileError: This installation is not complete: ") and gone in last


@pytest.mark.parametrize(
    ("gone", "command"),
    [
        ("warehouse/checks", ["nightly"]),
        ("warehouse/checks/slices_agree.sql", ["nightly", "--demo"]),
        (
            max(file for file in FILES if file.startswith("warehouse/migrations/")),
            ACCEPT,
        ),
        ("warehouse/migrations", ACCEPT),
    ],
)
def test_a_command_that_needs_it_refuses_with_a_sentence_and_exit_code_2(
    tree: Path, gone: str, command: list[str]
) -> None:
    shutil.rmtree(tree / gone) if (tree / gone).is_dir() else (tree / gone).unlink()
    done = run(tree, "-m", "pipelines.cli.main", *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and gone in done.stderr and "not complete" in done.stderr


def test_a_missing_report_query_or_template_writes_no_report(tree: Path) -> None:
    for gone in ("pipelines/report/queries/allocation_by_key.sql", "pipelines/report/health.html.j2"):
        kept = (tree / gone).read_bytes() if (tree / gone).exists() else None
        assert kept is not None, f"{gone} was renamed: name another"
        (tree / gone).unlink()
        done = run(tree, "-c", "from pipelines.report.figures import read_queries; read_queries()")
        assert done.returncode == 1 and f"{gone} is missing" in done.stderr.strip().splitlines()[-1]
        (tree / gone).write_bytes(kept)
    assert run(tree, "-c", "from pipelines.report.figures import read_queries; read_queries()").returncode == 0


def test_a_seed_without_its_header_is_no_seed_without_rows(tree: Path) -> None:
    (tree / "warehouse/ref/service_listing.csv").write_text("")
    done = run(tree, "-c", "from pipelines.collection.seeds import services_of_listings; services_of_listings()")
    assert "warehouse/ref/service_listing.csv lacks the column(s) service, is_witness" in done.stderr


def test_a_bill_whose_first_slice_is_not_by_service_is_not_requested(tree: Path) -> None:
    seed = tree / "warehouse/ref/cost_slice.csv"
    head, service, *others = seed.read_text().splitlines(keepends=True)
    seed.write_text("".join([head, *others, service]))
    done = run(tree, "-c", "from pipelines.collection.seeds import every_slice; every_slice(None)")
    assert done.returncode == 1 and "does not begin with the slice service" in done.stderr


@pytest.mark.parametrize("text", ["", "-- Only words.", "select 1 as a"])
def test_a_report_query_without_query_or_description_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "empty.sql").write_text(text)
    monkeypatch.setattr(figures, "QUERIES", tmp_path)
    with pytest.raises(SqlFileError, match=r"pipelines/report/queries/empty\.sql has no"):
        figures.read_queries()


def test_another_folder_without_models_or_rules_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelError, match="holds no models"):
            read_models(folder)
        with pytest.raises(SqlFileError, match="holds no rules"):
            read_checks(folder)
