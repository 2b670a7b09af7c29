"""Who works on what, with played processes and a played clock: how many there are, what each is given, when
one is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio import workers as module
from iso15118.aio.workers import on_workers
from iso15118.errors import LinkError


class Machine:
    """Its processes, and the time. ``takes``: seconds for an item; None: it dies of it; ``begins``: whether a
    process begins at all."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.takes: dict[str, float | None] = {}
        self.begins = True
        self.made: list[Worker] = []
        self.most = 0
        """Processes at the same time."""
        self.waits: list[float | None] = []

    def make(self, function: Callable[[str], str]) -> Worker:
        self.made.append(Worker(self, function))
        self.most = max(self.most, sum(not one.over for one in self.made))
        return self.made[-1]

    def monotonic(self) -> float:
        return self.now

    def wait(self, connections: list[Any], timeout: float | None) -> list[Any]:
        """Time passes until the first of them has something to say, or the timeout."""
        self.waits.append(timeout)
        soonest = min((one.speaks_at for one in connections), default=float("inf"))
        until = min(soonest, float("inf") if timeout is None else self.now + timeout)
        assert until < float("inf"), "this waits for ever"
        self.now = max(self.now, until)
        return [one for one in connections if one.poll()]


class Worker:
    """One process as ``on_workers`` sees it, and its connection at the same time."""

    def __init__(self, machine: Machine, function: Callable[[str], str]) -> None:
        self.machine, self.function = machine, function
        self.connection = self
        self.ready = self.over = False
        self.item: tuple[str, ...] = ()
        self.given: list[str] = []
        self.refuses = False
        self.began = self.speaks_at = machine.now

    @property
    def busy(self) -> bool:
        return bool(self.item)

    @property
    def age(self) -> float:
        return self.machine.now - self.began

    def poll(self) -> bool:
        return self.speaks_at <= self.machine.now

    def give(self, item: str) -> bool:
        assert self.ready, "it has not said that it is there"
        assert not self.busy, "one at a time"
        if self.refuses:
            return False
        self.item = (item,)
        self.given.append(item)
        self.began = self.machine.now
        takes = self.machine.takes.get(item, 1.0)
        self.speaks_at = self.machine.now + (takes or 0.0)
        return True

    def answer(self) -> tuple[Any, str, float] | tuple[()] | None:
        if not self.machine.begins or (self.item and self.machine.takes.get(self.item[0], 1.0) is None):
            return None
        self.speaks_at = float("inf")
        if not self.ready:
            self.ready = True
            return ()
        return self.function(self.item[0]), "", self.age

    def end(self) -> str:
        assert not self.over, "it is ended once"
        self.over = True
        return "as played"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    played = Machine()

    class Made:
        def __class_getitem__(cls, item: object) -> Callable[..., Worker]:
            return lambda function: played.make(function)  # noqa: PLW0108 - a test may replace it

    monkeypatch.setattr(module, "_Worker", Made)
    monkeypatch.setattr(module, "wait", played.wait)
    return played


def outcome(items: list[str], *, count: int = 2, longest_s: float = 10.0) -> dict[str, str]:
    """Each item with its value or its problem."""
    done = list(on_workers(str.upper, items, count=count, longest_s=longest_s))
    assert len(done) == len(items)
    return {one.item: one.value or one.problem for one in done}


@pytest.mark.parametrize(
    ("items", "count", "processes"), [(6, 3, 3), (2, 3, 2), (3, 3, 3), (1, 4, 1), (5, 1, 1)]
)
def test_there_are_no_more_processes_than_asked_for_and_than_items(
    machine: Machine, items: int, count: int, processes: int
) -> None:
    """Whoever has few items starts few processes, and each process has one item at a time."""
    names = [chr(97 + number) for number in range(items)]
    assert outcome(names, count=count) == {name: name.upper() for name in names}
    assert len(machine.made) == machine.most == processes
    assert [one.over for one in machine.made] == [True] * processes, "none is left"
    assert sorted(item for one in machine.made for item in one.given) == names


def test_all_work_at_the_same_time(machine: Machine) -> None:
    machine.takes = {"a": 8.0, "b": 3.0, "c": 3.0, "d": 1.0}
    done = list(on_workers(str.upper, list("abcd"), count=2, longest_s=10.0))
    assert [(one.item, one.seconds) for one in done] == [("b", 3.0), ("c", 3.0), ("d", 1.0), ("a", 8.0)]
    assert machine.now == pytest.approx(1008.0)


def test_one_that_dies_is_made_good_and_one_that_hangs_is_ended_when_its_time_is_over(
    machine: Machine,
) -> None:
    """Each costs its own item, and the wait is not longer than the first of them may take."""
    machine.takes = {"b": None, "c": float("inf"), "d": 9.9}
    assert outcome(list("abcde")) == {
        "a": "A",
        "b": "its process died: as played",
        "c": "it took longer than 10 s",
        "d": "D",
        "e": "E",
    }
    assert len(machine.made) <= 4
    assert machine.now <= 1014.0
    assert None not in machine.waits[3:], "with an item that may hang nobody waits without end"


@pytest.mark.parametrize(("takes", "value"), [(10.0, "A"), (10.02, "it took longer than 10 s")])
def test_an_item_has_all_of_its_time(machine: Machine, takes: float, value: str) -> None:
    machine.takes = {"a": takes}
    assert outcome(["a"]) == {"a": value}
    assert machine.now == pytest.approx(1010.01, abs=0.011)


def test_the_oldest_item_says_how_long_is_waited(machine: Machine) -> None:
    """Not the newest: it would have more time than it may, by as much as the newest began later."""
    machine.takes = {"a": float("inf"), "b": 5.0, "c": 9.0}
    done = list(on_workers(str.upper, list("abc"), count=2, longest_s=10.0))
    (gone,) = (one for one in done if one.item == "a")
    assert gone.seconds == pytest.approx(10.01)
    assert min(wait for wait in machine.waits if wait is not None) >= 0.01, "it does not spin"


def test_what_was_done_in_time_counts_however_late_it_is_fetched(machine: Machine) -> None:
    """Whoever takes the results may need longer for one than an item may take: the others are there then."""
    machine.takes = {"b": 1.5, "c": 1.5}
    done = []
    for one in on_workers(str.upper, list("abcd"), count=3, longest_s=2.0):
        done.append(one.value or one.problem)
        machine.now += 60.0
    assert sorted(done) == ["A", "B", "C", "D"]


def test_a_process_that_is_gone_before_it_begins_is_said_and_the_others_are_ended(machine: Machine) -> None:
    machine.begins = False
    with pytest.raises(LinkError, match="a process for the work did not start: as played"):
        outcome(["a", "b"])
    assert [one.over for one in machine.made] == [True, True]


def test_an_item_that_a_process_does_not_take_is_given_to_another_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = machine.make

    def first_refuses(function: Callable[[str], str]) -> Worker:
        made = make(function)
        made.refuses = len(machine.made) == 1
        return made

    monkeypatch.setattr(machine, "make", first_refuses)
    assert outcome(list("abc")) == {"a": "A", "b": "B", "c": "C"}
    assert machine.made[0].given == []
