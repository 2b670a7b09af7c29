"""The tool for mutations itself, on a toy: what is noticed is killed, what is not is said,
and the lists are not stale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .mutants import mutants_of, place
from .named import NAMED, named
from .project import HERE, ROOT, Project
from .survivors import Survivor, survivors, unfounded

VALVE = '''"""A valve."""

LIMIT_A = 3000.0


class Valve:
    def __init__(self) -> None:
        self.timers: dict[str, float] = {}

    def may_open(self, current_a: float, told: bool) -> bool:
        return current_a < LIMIT_A and told

    def settle(self, turns: int) -> int:
        while turns > 0:
            turns -= 1
        return turns
'''
TEST = """
from toy.valve import Valve


def test_it_opens_when_told():
    assert Valve().may_open(2999.0, True)
    assert not Valve().may_open(2999.0, False)


def test_it_opens_under_no_current():
    assert not Valve().may_open(3001.0, True)


def test_it_settles():
    assert Valve().settle(3) == 0
"""
FILE, LIVES = "toy/valve.py", "< -> <=: return current_a < LIMIT_A and told"


ALONE = """
import os
from toy.valve import Valve

BEFORE = os.getpid()


def test_second():
    Valve().may_open(1.0, True)
    assert os.getpid() == BEFORE, "a thread, for instance, that is left behind by a fork"
"""
SLOW = """
import time
from toy.valve import Valve


def test_at_the_limit():
    until = time.process_time() + 1.0
    while time.process_time() < until:
        pass
    assert not Valve().may_open(3000.0, True)
"""


WAITS = """
from toy.valve import LIMIT_A

while LIMIT_A > 3000.0:
    pass


def test_nothing():
    pass
"""


@pytest.fixture
def toy(tmp_path: Path) -> Project:
    for name, text in (("toy/__init__.py", ""), ("toy/valve.py", VALVE), ("tests/test_valve.py", TEST)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Project(tmp_path, ("toy",), ("tests",))


def run(toy: Project, *options: str) -> tuple[int, list[str], str]:
    """The tool's exit status, the lines that it printed, and what else it said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--toy", str(toy.root), "--processes", "1", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300.0,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_the_one_that_nobody_notices_is_named_until_it_has_a_reason(toy: Project) -> None:
    status, printed, said = run(toy, "--limit", "0.5")
    counts = f"{FILE}: 9 killed, 1 survived, 1 timeout", "9 killed, 1 survived, 1 timeout"
    assert printed == [f"survived: {FILE}:11: {LIVES}", *counts], said
    assert status == 1
    assert (
        f" killed    {FILE}:3: 3000.0 -> 3900.0: LIMIT_A = 3000.0  (tests/test_valve.py::test_it_opens_under_no_current)"
        in said
    )
    assert (
        f" timeout   {FILE}:15: 1 -> 0: turns -= 1  (tests/test_valve.py::test_it_settles (processor time))"
        in said
    )
    (toy.root / "survivors.toml").write_text(
        f'[[survivor]]\nfile = "{FILE}"\nmutants = ["{LIVES}"]\nreason = "exactly 3,000 A is no current that is met"\n'
    )
    status, printed, said = run(toy)
    assert (status, printed[-1]) == (0, "9 killed, 1 listed, 1 timeout")
    assert "/" not in said.replace("\n", ""), "all of them were known"


def test_a_reason_for_one_that_tests_notice_is_told(toy: Project) -> None:
    noticed = "3000.0 -> 3900.0: LIMIT_A = 3000.0"
    (toy.root / "survivors.toml").write_text(
        f'[[survivor]]\nfile = "{FILE}"\nmutants = ["{LIVES}", "{noticed}"]\nreason = "nobody would see it"\n'
    )
    status, printed, said = run(toy, "--listed")
    assert said.count("1/1 ") == 2
    assert f"listed, and noticed: {FILE}: {noticed}" in printed
    assert status == 1


def test_a_run_goes_on_where_it_was_and_a_source_that_has_changed_is_tried_again(toy: Project) -> None:
    assert "1/1 survived" in run(toy, "--match", "<=: return")[2]
    said = run(toy, "--match", "return")[2]
    assert "3/3 " in said, "what is new; who survived has seen all tests"
    assert "survived" not in said
    path = toy.root / "toy" / "valve.py"
    path.write_text(VALVE + "\n\nOTHER = None\n")
    assert "4/4 " in run(toy, "--match", "return")[2]


def test_a_test_that_fails_by_itself_kills_nobody(toy: Project) -> None:
    (toy.root / "tests" / "test_alone.py").write_text(ALONE)
    status, printed, said = run(toy, "--match", "-> <=: return")
    assert (status, printed[-1]) == (1, "1 survived"), said
    assert (
        "not believed, as it fails in a forked process without a mutant: tests/test_alone.py::test_second"
        in said
    )


def test_a_test_module_whose_import_does_not_end_any_more_has_noticed(toy: Project) -> None:
    (toy.root / "tests" / "test_waits.py").write_text(WAITS)
    (toy.root / "tests" / "test_valve.py").unlink()
    status, printed, said = run(toy, "--match", "3000.0 -> 3900.0", "--limit", "0.2")
    assert (status, printed[-1]) == (0, "1 timeout"), said
    assert "(import: tests/test_waits.py (processor time))" in said


def test_who_lives_beyond_the_budget_is_undecided(toy: Project) -> None:
    (toy.root / "tests" / "test_slow.py").write_text(SLOW)
    assert run(toy, "--match", "-> <=: return", "--budget", "0.5")[1][-1] == "1 undecided"
    assert "1/1 killed " in run(toy, "--match", "-> <=: return", "--budget", "30")[2]


def test_a_better_test_is_believed_at_once(toy: Project) -> None:
    assert run(toy, "--match", "-> <=: return")[0] == 1
    path = toy.root / "tests" / "test_valve.py"
    path.write_text(TEST + "\n\ndef test_at_the_limit():\n    assert not Valve().may_open(3000.0, True)\n")
    status, printed, _ = run(toy, "--match", "-> <=: return")
    assert (status, printed[-1]) == (0, "1 killed")


@pytest.mark.parametrize(
    ("line", "mutations"),
    [
        ("a = b < c", ["< -> <=", "< -> >="]),
        ("a = b is not c", ["is not -> is"]),
        ("a = b and not c", ["and -> or", "not removed"]),
        ("self._make_safe(urgency)", ["drop self._make_safe(urgency)"]),
        ("self.timers.clear(LINK)", ["drop self.timers.clear(LINK)"]),
        ("a = (StopPower(u), b)", ["drop StopPower(u)"]),
        ("a[0] = b = act.StopPower(Urgency.EMERGENCY)", ["Urgency.EMERGENCY -> Urgency.ORDERLY"]),
        ("a = act.Urgency.ORDERLY", ["act.Urgency.ORDERLY -> act.Urgency.EMERGENCY"]),
        ("a: float = 10.0", ["10.0 -> 0.0", "10.0 -> 13.0"]),
        ("a: bool = True", ["True -> False"]),
        ("a = now + limit", ["+ -> -", "30 % later", "at once"]),
        ("if a: pass", ["condition negated"]),
        ("a = min(b, c)", ["min -> max"]),
        ("def f() -> bool: return a()", ["return value negated"]),
        ("def f() -> bool:\n  return (a  # so\n    and b)", ["return value negated"]),
        ("raise ValueError(1)", []),
        ('a = f"{1}" + "x"', []),
    ],
)
def test_what_can_be_wrong_in_a_line(line: str, mutations: list[str]) -> None:
    found = mutants_of("x.py", line.encode())
    assert sorted(mutant.mutation for mutant in found) == sorted(mutations)
    for mutant in found:
        compile(mutant.apply(line.encode()), "x.py", "exec")


def test_every_mutant_is_python_and_has_a_name_of_its_own() -> None:
    for file in HERE.files():
        source = HERE.read(file)
        found = mutants_of(file, source)
        assert len({(mutant.line, mutant.mutation) for mutant in found}) == len(found)
        for mutant in found[:: max(len(found) // 10, 1)]:
            compile(mutant.apply(source), file, "exec")


def test_an_edit_knows_its_function() -> None:
    source = b"class A:\n    @property\n    def b(self) -> int:\n        if c:\n            return 1\n        return 2\n"
    mutant = place("x.py", source, source.index(b"1"), source.index(b"1") + 1, "3")
    assert (mutant.function, mutant.lines, mutant.text) == (("A.b", 2), (5, 5), "return 1")


def test_the_named_mutants_are_where_the_list_says() -> None:
    assert len(named(HERE)) == len(NAMED)


def test_the_survivors_can_still_be_made_and_have_reasons() -> None:
    assert unfounded(HERE, survivors(Path(__file__).with_name("survivors.toml"))) == []


def test_what_stands_in_no_entry_of_the_list_is_told(tmp_path: Path) -> None:
    """A header that became a comment took the first entry with it, and nobody noticed."""
    path = tmp_path / "survivors.toml"
    path.write_text('# [[survivor]]\nfile = "x.py"\nmutants = ["a"]\n[[survivor]]\nfile = "y.py"\n')
    with pytest.raises(ValueError, match="file, mutants above the first"):
        survivors(path)


def test_a_list_of_survivors_that_is_stale_is_told(toy: Project) -> None:
    good = Survivor(FILE, LIVES, "exactly 3,000 A is no current that is met")
    assert unfounded(toy, [good]) == []
    moved = Survivor(FILE, "< -> <=: return current_a < LIMIT_A", good.reason)
    gone = Survivor("toy/gone.py", LIVES, "so")
    assert unfounded(toy, [good, good, moved, gone]) == [
        f"{gone.key}: no reason",
        f"{good.key}: listed twice",
        f"{gone.key}: no such mutant",
        f"{moved.key}: no such mutant",
    ]


def test_a_record_of_a_run_saves_the_next_checkout_from_it(toy: Project) -> None:
    run(toy, "--limit", "0.5", "--record")
    (toy.cache / "verdicts.jsonl").unlink()
    (toy.root / "toy" / "valve.py").write_text(
        VALVE.replace('"""A valve."""', '"""A valve that opens and closes."""  # so')
    )
    status, printed, said = run(toy, "--limit", "0.5")
    assert (status, printed[-1]) == (1, "9 killed, 1 survived, 1 timeout"), said
    tried = [line for line in said.splitlines() if "/1 " in line]
    assert [LIVES in line for line in tried] == [True], "whoever lived is tried again, and nobody else"


def test_a_record_holds_for_the_same_code_only(toy: Project) -> None:
    run(toy, "--limit", "0.5", "--record")
    (toy.cache / "verdicts.jsonl").unlink()
    (toy.root / "toy" / "valve.py").write_text(VALVE.replace("3000.0", "3000.5"))
    _, printed, _ = run(toy, "--report")
    assert printed[-1] == "11 not tried"
