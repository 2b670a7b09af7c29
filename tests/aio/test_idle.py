"""Between sessions by itself: how often the hardware is looked at, what is said of it once,
and when it is made safe."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.idle import IdleLook
from iso15118.session.events import PowerMeasured
from iso15118.session.supervision import IdleSupervisor, SupervisionLimits
from tests.aio.test_settling import Ports, now, station

SOON = 0.03


class Watched(Ports):
    """Notes when its level is read; opens when it is told to, if the test wants."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.level: Any = False
        self.obeys = True
        super().__init__()
        self.on_open = self._opens

    def _opens(self) -> None:
        if self.obeys:
            self.level = False

    @property
    def closed(self) -> Any:
        self.looks.append(now())
        return self.level

    @closed.setter
    def closed(self, closed: Any) -> None:
        self.level = closed


class Bench:
    def __init__(self) -> None:
        self.ports = Watched()
        self.found: list[tuple[float, str]] = []
        self.began = now()
        supervisor = IdleSupervisor(SupervisionLimits())
        self.look = IdleLook(
            lambda tell: station(self.ports),
            supervisor,
            lambda text: self.found.append((round(now() - self.began, 1), text)),
        )

    def looked(self) -> list[float]:
        """When, since it began; readings of the same moment are one look."""
        return sorted({round(at - self.began, 1) for at in self.ports.looks})


async def test_quiet_hardware_is_looked_at_once_a_second_and_left_alone() -> None:
    bench = Bench()
    bench.look.start()
    bench.look.start()  # once is enough
    await asyncio.sleep(3.5)
    assert bench.looked() == [0.0, 1.0, 2.0, 3.0]
    assert len(bench.ports.looks) == 4
    assert bench.look.looked_at == pytest.approx(bench.began + 3.0, abs=SOON)
    assert (bench.found, bench.ports.made, bench.look.trouble) == ([], [], "")
    assert bench.look.settles_within_s > 0.0
    bench.look.stop()
    assert bench.look.settles_within_s == 0.0, "a session has the hardware"
    await asyncio.sleep(3.0)
    assert len(bench.ports.looks) == 4
    bench.look.stop()
    bench.look.start()
    await asyncio.sleep(SOON)
    assert len(bench.ports.looks) == 5
    bench.look.stop()
    await asyncio.sleep(0)


async def test_what_was_seen_before_a_session_proves_nothing_behind_it() -> None:
    """The output is discharged behind each of two sessions, in less time than it has for that."""
    bench = Bench()
    bench.ports.present = PowerMeasured(350.0, 0.0)
    for session_s in (0.5, 6.0, 0.5):
        bench.look.start()
        await asyncio.sleep(3.5)
        bench.look.stop()
        await asyncio.sleep(session_s)
    assert bench.found == []
    bench.look.start()
    await asyncio.sleep(6.0)
    assert len(bench.found) == 1
    assert "voltage-after-end" in bench.found[0][1]
    bench.look.stop()
    await asyncio.sleep(0)


async def test_contactors_that_are_closed_are_looked_at_again_soon_opened_and_said_once() -> None:
    bench = Bench()
    bench.ports.level, bench.ports.obeys = True, False
    bench.look.start()
    await asyncio.sleep(1.5)
    (at, text) = bench.found[0]
    assert at == pytest.approx(0.4, abs=0.11), "after the time that contacts may bounce"
    assert text.startswith("contactor-level")
    assert bench.look.trouble == text
    assert bench.ports.opens() >= 4, "until they show it"
    assert len(bench.found) == 1
    assert len(bench.looked()) >= 7
    bench.ports.obeys = True
    await asyncio.sleep(1.0)
    assert [text for _, text in bench.found[1:]] == [""]
    assert bench.look.trouble == ""
    count, looked = bench.ports.opens(), len(bench.looked())
    await asyncio.sleep(3.0)
    assert bench.ports.opens() == count
    assert len(bench.looked()) - looked <= 4
    bench.look.stop()
    await asyncio.sleep(0)


async def test_what_cannot_be_read_is_trouble() -> None:
    for change, words in (
        (
            {"level": 1, "obeys": False},
            "the level of the contactors cannot be read: contactors.closed is int, not bool",
        ),
        ({"present": None}, "the output cannot be measured: power.present is NoneType, not PowerMeasured"),
        ({"limits": None}, "power.limits is NoneType, not StationLimits"),
    ):
        bench = Bench()
        vars(bench.ports).update(change)
        bench.look.start()
        await asyncio.sleep(0.5)
        assert bench.found == [(0.0, words)]
        assert bench.ports.made[0] == "stop EMERGENCY"
        bench.look.stop()
        await asyncio.sleep(0)


@pytest.mark.parametrize("slow_s", [0.15, 10.0], ids=["in its time", "too slow"])
async def test_the_cause_stays_while_it_is_being_made_safe(slow_s: float) -> None:
    """It took turns with "it is being made safe", five times a second and for as long as that went on."""
    bench = Bench()
    bench.ports.level, bench.ports.stopping_s = True, slow_s
    bench.look.start()
    await asyncio.sleep(5.0)
    texts = [text for _, text in bench.found]
    assert texts[0].startswith("contactor-level")
    slow = "power.stop did not answer within 0.2 s, PortLimits.power_s"
    assert texts[1:] == ([""] if slow_s < 0.2 else [slow])
    bench.look.stop()
    await asyncio.sleep(0)


async def test_what_the_last_session_left_behind_is_over_when_the_hardware_was_told_and_shows_it() -> None:
    bench = Bench()
    bench.look.start("the last session was not over")
    assert bench.look.trouble == "the last session was not over"
    await asyncio.sleep(1.0)
    assert bench.ports.made[:2] == ["stop EMERGENCY", "open EMERGENCY: the last session was not over"]
    assert [text for _, text in bench.found] == [""]
    assert bench.look.trouble == ""
    bench.look.stop()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("change", "safe", "told"),
    [
        ({}, True, 0),
        ({"level": True}, True, 1),
        ({"level": True, "obeys": False}, False, 3),
        ({"level": "x"}, True, 1),
        ({"present": PowerMeasured(0.0, 5.0)}, False, 3),
        ({"present": PowerMeasured(0.0, 4.9)}, True, 0),
        ({"present": None}, False, 3),
    ],
    ids=str,
)
async def test_before_a_session_hardware_that_does_not_show_itself_safe_is_made_so(
    change: dict[str, Any], safe: bool, told: int
) -> None:
    bench = Bench()
    bench.look.start()
    await asyncio.sleep(SOON)
    vars(bench.ports).update(change)
    assert await bench.look.settle() is safe
    assert bench.ports.opens() == told
    assert bool(bench.look.trouble) is not safe
    bench.look.stop()
    assert await bench.look.settle() is safe, "nobody looks: what was known last"
    await asyncio.sleep(0)
