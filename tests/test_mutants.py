"""`make mutants`: what is changed, who notices it, and that a change which nobody notices is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nights import program

from tools.mutation import memory, quick, targets, trials, watch
from tools.mutation.__main__ import PAGE, page
from tools.mutation.judging import MARKED, Result, judge, unknown_marks
from tools.mutation.marks import Mark, marks
from tools.mutation.memory import Memory
from tools.mutation.mutations import Mutant, python_mutants
from tools.mutation.sql_mutations import embedded_mutants, rewritten, sql_mutants, unchanged
from tools.mutation.targets import TARGETS, Source, Target

SMALL = '''"""A module."""

KNOWN: frozenset[str] = frozenset({"a", "b"})


def is_known(name: str, limit: int = 3) -> bool:
    """A sentence."""
    return name in KNOWN and len(name) < limit
'''


def changes(found: list[Mutant]) -> set[str]:
    return {mutant.change for mutant in found}


def test_one_thing_is_changed_at_a_time_and_words_for_people_are_not() -> None:
    found = python_mutants("small.py", SMALL)
    line = "return name in KNOWN and len(name) < limit"
    assert {
        f"{line} → return (name not in KNOWN) and len(name) < limit",
        f"{line} → return name in KNOWN or len(name) < limit",
        f"{line} → return name in KNOWN and len(name) <= limit",
        f"{line} → return name in KNOWN and len(name) >= limit",
        f"{line} → return (name in KNOWN)",
        f"{line} → return (len(name) < limit)",
        f"{line} → return None",
        'KNOWN: frozenset[str] = frozenset({"a", "b"}) → KNOWN: frozenset[str] = frozenset({"a", })',
        'KNOWN: frozenset[str] = frozenset({"a", "b"}) → KNOWN: frozenset[str] = frozenset({"mutant", "b"})',
    } <= changes(found)
    assert {mutant.where for mutant in found} == {"", "is_known"}
    assert not any("sentence" in change or "→ mutant" in change for change in changes(found))
    assert len({mutant.key for mutant in found}) == len(found) == len({mutant.text for mutant in found})


def test_what_stands_in_no_query_is_not_changed() -> None:
    assert changes(sql_mutants("q.sql", "select list_sort(a) as b, true as c from t")) == {"TRUE → FALSE"}


def test_only_the_functions_that_are_named_are_changed() -> None:
    found = python_mutants("small.py", SMALL, ["is_known"])
    assert found
    assert {mutant.where for mutant in found} == {"is_known"}


QUERY = """-- A header.
-- key: a
select coalesce(t.a, u.a) as a
from t
left join u on t.b = u.b and u.c > 1
where t.d is not null
"""


def test_a_query_is_changed_in_one_thing_and_keeps_its_header() -> None:
    found = sql_mutants("q.sql", QUERY)
    assert {
        "COALESCE(t.a, u.a) → t.a",
        "COALESCE(t.a, u.a) → u.a",
        "t.b = u.b → t.b <> u.b",
        "t.b = u.b AND u.c > 1 → t.b = u.b",
        "t.b = u.b AND u.c > 1 → t.b = u.b OR u.c > 1",
        "u.c > 1 → u.c >= 1",
        "1 → 2",
        "LEFT JOIN u ON t.b = u.b AND u.c > 1 → JOIN u ON t.b = u.b AND u.c > 1",
        "WHERE NOT t.d IS NULL → nothing",
        "NOT t.d IS NULL → (t.d IS NULL)",
    } <= changes(found)
    assert all(mutant.text.startswith("-- A header.\n-- key: a\n") for mutant in found)
    assert {mutant.where for mutant in found} == {"a", "join", "where"}
    assert all(unchanged(QUERY) not in mutant.text for mutant in found)
    assert rewritten("q.sql", QUERY) == f"-- A header.\n-- key: a\n{unchanged(QUERY)}\n"


HOUSE = '''"""A module."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def ask(connection: "duckdb.DuckDBPyConnection", columns: str) -> None:
    """Select what is asked for."""
    connection.execute("delete from t where a = $a")
    connection.execute(f"select {columns}, {{'x': 1}} as s from t where b like '\\\\%' and a > 1")
    connection.execute("select from where is no query")
'''


def test_queries_in_python_are_changed_too_and_keep_what_python_puts_into_them() -> None:
    found = embedded_mutants("house.py", HOUSE)
    assert changes(found) >= {
        "where: a = $a → a <> $a",
        "where: WHERE a = $a → nothing",
        "where: a > 1 → a >= 1",
        "where: b LIKE '\\%' AND a > 1 → b LIKE '\\%'",
        "s: 1 → 2",
    }
    assert {mutant.where for mutant in found} == {"ask"}
    (turned,) = (mutant.text for mutant in found if mutant.change == "where: a > 1 → a >= 1")
    assert """f\"\"\"SELECT {columns}, {{'x': 1}} AS s FROM t WHERE b LIKE '\\\\%' AND a >= 1 \"\"\")""" in turned
    assert """execute("delete from t where a = $a")""" in turned
    same = rewritten("house.py", HOUSE)
    assert "a > 1" in same
    assert 'execute("""DELETE FROM t WHERE a = $a' in same
    assert rewritten("house.py", HOUSE, ["another"]) == HOUSE
    for text in (same, *(mutant.text for mutant in found)):
        compile(text, "house.py", "exec")


def test_what_only_types_need_is_left_alone() -> None:
    said = " ".join(changes(python_mutants("house.py", HOUSE)))
    assert "TYPE_CHECKING" not in said
    assert "DuckDBPyConnection" not in said


def test_what_is_said_about_a_column_is_left_alone() -> None:
    found = sql_mutants("q.sql", "create view v as select 1 as a; comment on column v.a is 'one';")
    assert [mutant.text for mutant in found] == ["CREATE VIEW v AS SELECT 2 AS a;\nCOMMENT ON column v.a IS 'one'\n"]


@pytest.mark.parametrize(
    "what",
    [
        (
            "tests/test_identity.py::test_the_facts_are_named_as_in_the_contract",
            "resources/identity_rules.py",
            '"accounts_are_distinct" → "mutant"',
            "Not evaluated → Evaluated",
        ),
        (
            "tests/test_newest_cell.py::test_the_last_find_ends_an_acceptance_and_a_later_one_begins_another",
            "warehouse/migrations/0015_newest_cell.sql",
            "max(ended_at) filter (outcome = 'found') → min(ended_at)",
            "What all answers → What the answers",
        ),
    ],
    ids=["a module", "a migration"],
)
def test_a_mutant_is_killed_by_a_test_that_sees_it_and_by_no_other(tmp_path: Path, what: tuple[str, ...]) -> None:
    # A fork wants a parent without threads, which pytest's is not.
    done = subprocess.run(**program("mutants_tried", tmp_path, *what), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "False", "True"]


KILLED = Mutant("small.py", "f", "a → b", "b", range(2, 3))
ALIVE = Mutant("small.py", "f", "c → d", "d", range(3, 4))


def mark(folder: Path, line: str) -> None:
    """Put a marked line in the place of what it changes, or at the end."""
    code = folder / "small.py"
    text = code.read_text()
    plain = line.partition("  #")[0]
    code.write_text(text.replace(plain, line) if plain in text else f"{text}{line}\n")
    forget()


def forget() -> None:
    """What was read of files that change here."""
    for cached in (memory.source_of, memory._function, memory._scope, watch._statements):
        cached.cache_clear()


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Target:
    """A target with a mutant that a test kills and one that none does."""
    forget()
    monkeypatch.setattr(memory, "STATE", tmp_path / "state")
    monkeypatch.setattr(memory, "KEPT", tmp_path / "known")
    for module in (memory, targets, watch):
        monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    (tmp_path / "test_small.py").write_text("def test_it():\n    assert f()\n\ndef test_other():\n    pass\n")
    (tmp_path / "small.py").write_text("def f():\n    a\n    c\n")
    monkeypatch.setattr(Source, "mutants", lambda self: [KILLED, ALIVE])
    monkeypatch.setattr(Source, "rewritten", lambda self: None)
    known = trials.Known({"test_small.py::test_it": 0.1}, {"test_small.py::test_it": {"small.py:f"}})
    monkeypatch.setattr(trials, "apart", lambda work: work())
    monkeypatch.setattr(trials, "learn", lambda *_, **__: known)

    def try_out(mutant: Mutant, tests: list[str], *_: object) -> str:
        return tests[0] if mutant is KILLED else ""

    monkeypatch.setattr(trials, "try_out", try_out)
    monkeypatch.setattr(quick, "collect", lambda *_: None)
    return Target("what is small", (Source("small.py"),), ("test_small.py",))


def test_what_nobody_notices_is_reported_unless_its_line_says_why(target: Target, tmp_path: Path) -> None:
    found = judge("small", target, tmp_path)
    assert (found.count, found.killed, found.survivors) == (2, 1, [ALIVE])
    assert found.line().startswith("✗ small: 2 mutants, 1 killed, 0 explained, 1 survive")
    mark(tmp_path, "    c  # equivalent: it is the same")
    found = judge("small", target, tmp_path)
    assert (found.survivors, found.stale) == ([], [])
    assert found.explained == {ALIVE.key: "it is the same"}
    assert found.line().startswith("✓ small: 2 mutants, 1 killed, 1 explained (")


@pytest.mark.parametrize(
    ("line", "stale", "survive"),
    [
        ("    a  # equivalent: its only change is killed", True, True),
        ("    pass  # equivalent: nothing of it is changed", True, True),
        ("    c  # equivalent (2): one more than survive", True, False),
    ],
)
def test_a_mark_that_explains_fewer_than_it_says_is_reported(
    target: Target, tmp_path: Path, line: str, stale: bool, survive: bool
) -> None:
    mark(tmp_path, line)
    found = judge("small", target, tmp_path)
    assert (bool(found.stale), bool(found.survivors)) == (stale, survive)
    assert found.line().startswith("✗")


def test_a_mark_explains_no_more_than_it_says(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another = Mutant("small.py", "f", "c → e", "e", range(3, 4))
    monkeypatch.setattr(Source, "mutants", lambda self: [KILLED, ALIVE, another])
    mark(tmp_path, "    c  # equivalent: it is the same")
    found = judge("small", target, tmp_path)
    assert (found.survivors, found.explained, found.stale) == ([ALIVE, another], {}, [])


def test_what_was_not_tried_is_counted_and_is_neither_killed_nor_a_survivor(target: Target, tmp_path: Path) -> None:
    mark(tmp_path, "    c  # equivalent: so")
    found = judge("small", target, tmp_path, "none")
    assert (found.count, found.killed, found.untried, found.survivors, found.stale) == (2, 0, 2, [], [])
    judge("small", target, tmp_path)
    assert judge("small", target, tmp_path, "none").untried == 0


MARKED_FILE = '''"""# equivalent: this is documentation."""


# equivalent (2): A reason that
# goes on.
def f():  # another comment
    g("# equivalent: a word")
    h()  # equivalent: At its end.
    g("""
        select a
        -- equivalent in b.where: Of a query,
        -- in two lines.
        from b
        -- equivalent (3): The whole of it.
    """)
'''


def test_a_mark_is_a_comment_at_its_line_or_above_it_and_says_how_many_survive() -> None:
    assert marks("small.py", MARKED_FILE) == [
        Mark("small.py", 6, None, 2, "A reason that goes on."),
        Mark("small.py", 8, None, 1, "At its end."),
        Mark("small.py", 11, "b.where", 1, "Of a query, in two lines."),
        Mark("small.py", 14, "", 3, "The whole of it."),
    ]
    assert marks("q.sql", "select 1\n-- equivalent in a: One.\nfrom t\n") == [Mark("q.sql", 2, "a", 1, "One.")]


def test_a_mark_explains_what_its_line_or_its_part_of_the_query_does() -> None:
    text = SMALL.replace("    return name", "    # equivalent: so\n    return name")
    (line,) = marks("small.py", text)
    explained = [mutant.change for mutant in python_mutants("small.py", text) if line.explains(mutant)]
    assert len(explained) > 5
    assert all(change.startswith("return name in KNOWN and") for change in explained)
    text = HOUSE.replace("where a = $a", "\\n-- equivalent in where: so\\n where a = $a")
    text = text.replace('"delete', '"""delete').replace('$a")', '$a""")').replace("\\n", "\n")
    (part,) = marks("house.py", text)
    explained = [mutant.change for mutant in embedded_mutants("house.py", text) if part.explains(mutant)]
    assert "where: a = $a → a <> $a" in explained
    assert "where: a > 1 → a >= 1" not in explained, "it is another query"


def test_what_is_known_holds_until_the_function_or_the_tests_that_it_rests_on_change(
    target: Target, tmp_path: Path
) -> None:
    code, tests = tmp_path / "small.py", tmp_path / "test_small.py"
    code.write_text("class A:\n    def f():\n        a, c\n\ndef f():\n    a, c\n\ndef g():\n    pass\n")
    judge("small", target, tmp_path)
    killed = Memory("small")
    assert killed.killer(KILLED) == "test_small.py::test_it"
    for file, before, after, holds in (
        (code, "pass", "return", (True, True)),
        (code, "        a", "        b", (True, True)),
        (tests, "def test_other", "def test_third", (True, False)),
        (tests, "assert f()", "pass", (False, False)),
        (tests, "def test_it():\n    pass", "def test_it():\n    assert f()", (True, False)),
        (code, "\n    a", "\n    b", (False, False)),
    ):
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))
        forget()
        assert tuple(killed.is_current(mutant, target.tests) for mutant in (KILLED, ALIVE)) == holds


def test_a_fresh_clone_knows_what_was_tried(target: Target, tmp_path: Path) -> None:
    judge("small", target, tmp_path)
    assert not list(memory.STATE.iterdir()), "what git ignores has no part in it"
    test, place, *lines = filter(None, (memory.KEPT / "small.txt").read_text().splitlines())
    short = test.removesuffix(" test_small.py::test_it")
    assert place == "small.py f"
    assert {line.split()[2] for line in lines} == {short, "-"}
    found = judge("small", target, tmp_path, "none")
    assert (found.killed, found.untried, found.survivors) == (1, 0, [ALIVE])


def test_a_run_that_was_broken_off_goes_on_and_what_is_gone_is_forgotten(target: Target, tmp_path: Path) -> None:
    gone = Mutant("small.py", "g", "a → b", "b", range(2, 3))
    broken_off = Memory("small")
    for mutant, killer in ((KILLED, "test_small.py::test_it"), (gone, "timeout"), (ALIVE, "")):
        broken_off.keep(mutant, killer, target.tests)
    assert all(Memory("small").is_current(mutant, target.tests) for mutant in (KILLED, gone, ALIVE))
    assert judge("small", target, tmp_path, "none").untried == 0
    kept = Memory("small")
    assert [kept.is_current(mutant, target.tests) for mutant in (KILLED, gone, ALIVE)] == [True, False, True]


def test_what_is_known_in_this_repository_is_small_and_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "STATE", tmp_path / "none")
    kept = sorted(memory.KEPT.iterdir())
    assert {file.stem for file in kept} <= set(TARGETS)
    assert sum(file.stat().st_size for file in kept) < 600_000
    for name in ("guard", "contract"):
        target, known = TARGETS[name], Memory(name)
        current = [known.is_current(mutant, target.tests) for mutant in target.sources[0].mutants()]
        assert any(current), f"Nothing that is known of {name} holds: run `make mutants TARGET={name}`."


def test_the_page_says_no_more_than_is_known_in_this_repository() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.count(" | ") == 7]
    tried = {name: int(count) - int(left) for name, _, _, count, *_, left in rows[2:]}
    assert list(tried) == list(TARGETS)
    for name, count in tried.items():
        kept = memory.KEPT / f"{name}.txt"
        lines = kept.read_text().splitlines() if kept.exists() else []
        assert count <= sum(line.startswith("  ") for line in lines), f"{name}: run `python -m tools.mutation --page`"


TWO_TESTS = {
    "test_small.py::test_yes": {"small.py:f", "small.py:2", "small.py:3", "small.py:4", "small.py:h"},
    "test_small.py::test_no": {"small.py:f", "small.py:2", "small.py:6"},
    "test_small.py::test_other": set[str](),
}


@pytest.mark.parametrize(
    ("line", "where", "asked"),
    [
        pytest.param(1, "f", ["yes", "no"], id="the head of a function"),
        pytest.param(2, "f", ["yes", "no"], id="the head of a choice"),
        pytest.param(4, "f", ["yes"], id="a statement of two lines"),
        pytest.param(6, "f", ["no"], id="a statement"),
        pytest.param(8, "f", ["yes", "no"], id="a statement that no test reaches"),
        pytest.param(10, "g", ["yes", "no", "other"], id="a function that no test calls"),
        pytest.param(11, "", ["yes", "no", "other"], id="the module"),
        pytest.param(13, "h", ["yes", "no", "other"], id="a decorator"),
        pytest.param(14, "h", ["yes"], id="the head of a function with a decorator"),
    ],
)
def test_a_mutant_is_tried_by_the_tests_that_reach_its_statement(
    target: Target, tmp_path: Path, line: int, where: str, asked: list[str]
) -> None:
    code = "def f(a, b=1):\n    if a:\n        return g(\n            a)\n    elif b:\n        return 1\n    else:\n"
    (tmp_path / "small.py").write_text(
        f"{code}        return 2\ndef g(a):\n    return a\nc = 1\n@d(\n    1)\ndef h():\n    pass\n"
    )
    known = trials.Known(dict.fromkeys(TWO_TESTS, 0.1), TWO_TESTS)
    mutant = Mutant("small.py", where, "a → b", "b", range(line, line + 1))
    assert known.of(mutant) == [f"test_small.py::test_{name}" for name in asked]


def test_a_quick_trial_says_only_which_test_kills(tmp_path: Path) -> None:
    done = subprocess.run(**program("mutants_quick", tmp_path), capture_output=True, check=False)
    # What the test has imported is as it was, so nobody notices: such a mutant is tried again, from the import on.
    assert done.stderr.splitlines() == [
        "inside of a function of a class: test_known",
        "of a function within another: test_outer",
        "that leaves fewer lines: test_known",
        "of what a method sets: test_set",
        "no test notices: nobody",
        "of a class: test_known",
        "of a default: nobody",
        "of two functions: nobody",
        "of a query: test_query",
        "made, taken down, made, taken down",
    ]


def test_what_no_quick_trial_kills_is_tried_again_from_the_import_on(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quick:
        def try_out(self, mutant: Mutant, tests: list[str], *_: object) -> str:
            return "test_small.py::test_it" if mutant is ALIVE else ""

    monkeypatch.setattr(quick, "collect", lambda tests, path, work, seconds: work(Quick()))
    found = judge("small", target, tmp_path, "quick")
    assert (found.killed, found.untried, found.survivors) == (1, 1, [])
    assert judge("small", target, tmp_path).killed == 2
    monkeypatch.setattr(quick, "collect", lambda *_: None)
    forget()
    (tmp_path / "small.py").write_text("def f():\n    b\n    c\n")
    assert judge("small", target, tmp_path).survivors == [ALIVE]


def test_what_a_test_reaches_is_its_own_also_in_a_thread(tmp_path: Path) -> None:
    done = subprocess.run(**program("mutants_reached", tmp_path), capture_output=True, check=False)
    lines = sys.version_info >= (3, 12)
    reached = {name: set(calls) for name, *calls in map(str.split, done.stdout.splitlines())}
    no = {"f", *(("2", "6", "8") if lines else ())}
    assert reached == {
        "test_yes": {"f", "f.inner", *(("2", "3", "4", "6", "7") if lines else ())},
        "test_no": no,
        "test_elsewhere": no,
    }, done.stderr


def test_only_each_so_manieth_is_tried_where_that_is_wanted(target: Target, tmp_path: Path) -> None:
    found = judge("small", target, tmp_path, every=2)
    assert (found.count, found.killed, found.untried, found.survivors) == (2, 1, 1, [])
    assert judge("small", target, tmp_path).survivors == [ALIVE]
    assert judge("small", target, tmp_path, every=2).survivors == [ALIVE]


@pytest.mark.parametrize(
    ("work", "patience", "ended"),
    [
        pytest.param("while True: pass", 60, False, id="it goes round and round"),
        pytest.param("time.sleep(60)", 2, False, id="it waits for ever"),
        pytest.param("time.sleep(1.1)", 60, True, id="it is slow because others work here"),
    ],
)
def test_a_trial_is_ended_by_what_it_uses_and_not_by_what_the_machine_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, patience: int, ended: bool
) -> None:
    monkeypatch.setattr(trials, "PATIENCE", patience)

    def do(report: Path) -> None:
        exec(work, {"time": time})
        report.write_text("{}")

    assert trials.forked(tmp_path, 1, do) == ({} if ended else None)


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        pytest.param("while True: pass", True, id="it goes round and round"),
        pytest.param("time.sleep(60)", True, id="it waits for ever"),
        pytest.param("time.sleep(0.1)", False, id="it is as it was"),
    ],
)
def test_a_mutant_that_goes_on_without_end_ends_with_its_test_and_not_after_all_of_them(
    tmp_path: Path, body: str, ended: bool
) -> None:
    # A fork wants a parent without threads, which pytest's is not.
    done = subprocess.run(**program("mutant_without_end", tmp_path, body), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, "timeout\n" if ended else "\n"), done.stderr


NAMED = {
    "a file": (Source("gone.py"), "There is no file gone.py."),
    "a function": (Source("small.py", ("f", "gone")), "small.py has no function or class gone."),
    "a method": (Source("small.py", ("A.g", "A.gone")), "small.py has no function or class A.gone."),
    "a column": (
        Source("q.sql", ("told.b", "told.gone")),
        "q.sql has no column or query told.gone that could be changed.",
    ),
    "a file of tests": (Source("small.py", tests=("test_gone.py",)), "There is no file test_gone.py."),
    "a test": (
        Source("small.py", tests=("test_small.py::test_it[a-1]", "test_small.py::test_gone[a]")),
        "test_small.py has no function or class test_gone.",
    ),
    "what is kept": (Source("small.py", once="test_small:ready"), "test_small.py has no function or class ready."),
    "where it is kept": (Source("small.py", once="gone:ready"), "There is no file gone.py."),
}


def test_what_loads_a_file_by_its_package_is_loaded_by_each_trial() -> None:
    package = "pipelines.collection.remote"
    of_the_package, beside_it = f"{package}.briefing", "pipelines.collection.decisions"
    modules = [package, of_the_package, beside_it]
    assert trials.unaffected(modules, ["pipelines/collection/parts.py"]) == [beside_it]


@pytest.mark.parametrize("what", NAMED)
def test_a_target_that_names_what_is_not_there_fails(target: Target, tmp_path: Path, what: str) -> None:
    (tmp_path / "small.py").write_text("def f():\n    a, c\n\nclass A:\n    def g(self):\n        pass\n")
    (tmp_path / "q.sql").write_text("with told as (select a = 1 as b from t) select b from told")
    source, sentence = NAMED[what]
    with pytest.raises(trials.TrialError) as raised:
        judge("small", Target("what is small", (source,), target.tests), tmp_path, "none")
    assert str(raised.value) == f"{sentence} Nothing was tried. Correct the target in tools/mutation/targets.py."


def test_what_the_targets_name_is_there() -> None:
    for target in TARGETS.values():
        target.require_names()


def test_what_is_loaded_before_all_trials_is_never_what_is_changed() -> None:
    """Else no mutant of that file could be put in place, and the trials of it would end."""
    changed: dict[str, set[str]] = {}
    for target in TARGETS.values():
        for source in target.sources:
            if source.once:
                changed.setdefault(source.once.partition(":")[0], set()).add(
                    source.path.removesuffix(".py").replace("/", ".")
                )
    for module, paths in changed.items():
        done = subprocess.run(
            [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(watch.REPOSITORY), str(watch.REPOSITORY / "tests")])},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert not paths & set(done.stdout.split()), module
    assert len(changed) > 1


def test_no_mark_is_in_a_file_that_no_target_changes(tmp_path: Path) -> None:
    assert unknown_marks(watch.REPOSITORY) == []
    (tmp_path / MARKED[0]).mkdir()
    (tmp_path / MARKED[0] / "unknown.py").write_text("a()  # equivalent: so\n")
    assert [str(mark) for mark in unknown_marks(tmp_path)] == ["pipelines/unknown.py:1: so"]


def test_the_page_counts_and_gives_every_reason() -> None:
    result = Result("guard", count=3, killed=2, explained={"resources/aws/guard.py f: a | b → a": "It is the same."})
    said = page([result], date="2026-11-25", versions="Python 3.13")
    assert "3 mutants, 2 killed by a test, 1 that no test can kill, 0 that survive" in said
    assert "| `resources/aws/guard.py f: a \\| b → a` | It is the same. |" in said
