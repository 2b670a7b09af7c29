"""Outputs of the basic signalling, shown again and again: what a port that fails, lies or answers
nonsense costs, and what is said of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug.connector import ConnectionDriver
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.ports.outputs import AssertedOutputs
from iso15118.connector import ConnectorSettings, SeccConnector
from iso15118.errors import HardwareError
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import Pilot, SetPilot, ShowState
from iso15118.session.events import SignalState

STEADY, FIVE = SetPilot(Pilot.STEADY), SetPilot(Pilot.FIVE_PERCENT)
READY = ShowState(SignalState.C)


def duty(percent: Any) -> SetPilot:
    return SetPilot(Pilot.NOMINAL, percent)


class Port:
    """Writes down what it is asked to show; one that raises does so for these actions."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.fails: dict[Any, BaseException] = {}
        self.listener: Any = None

    def listen(self, listener: Any) -> None:
        self.listener = listener

    def show(self, action: Any) -> None:
        self.made.append(action)
        if action in self.fails:
            raise self.fails[action]


class Reads(Port):
    """Says what it shows, or raises."""

    reads: Any = None

    def shown(self) -> Any:
        if isinstance(self.reads, BaseException):
            raise self.reads
        return self.reads


def asserted(port: Port) -> tuple[AssertedOutputs, list[str]]:
    said: list[str] = []
    outputs = AssertedOutputs(port)
    outputs.told = said.append
    return outputs, said


def test_the_last_of_each_kind_is_shown_again() -> None:
    port = Port()
    outputs, said = asserted(port)
    outputs.listen("listener")  # type: ignore[arg-type]
    assert port.listener == "listener"
    outputs.again()
    assert port.made == []
    for action in (STEADY, READY, FIVE):
        outputs.show(action)
    port.made.clear()
    outputs.again()
    outputs.again()
    assert port.made == [FIVE, READY] * 2
    assert said == []


def test_an_output_that_cannot_be_shown_is_shown_again_and_said_once_until_it_works() -> None:
    port = Port()
    outputs, said = asserted(port)
    port.fails[FIVE] = OSError("bus")
    with pytest.raises(HardwareError, match=r"^signalling.show raised OSError: bus$"):
        outputs.show(FIVE)
    outputs.show(READY)
    for _ in range(3):
        port.made.clear()
        outputs.again()
        assert port.made == [FIVE, READY], "one that fails keeps no other from being shown"
    text = f"{FIVE} cannot be shown: signalling.show raised OSError: bus"
    assert said == [text]
    port.fails.clear()
    outputs.again()
    port.fails[FIVE] = OSError("bus")
    outputs.again()
    assert said == [text, text]


def test_that_nothing_can_be_read_back_is_said_once_and_anew_when_it_could(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = Reads()
    outputs, _ = asserted(port)
    for reads, times in ((OSError("bus"), 1), (OSError("bus"), 1), (None, 1), (OSError("bus"), 2)):
        port.reads = reads
        outputs.again()
        assert flush(60.0)
        assert caplog.text.count("the outputs cannot be read back") == times


def test_several_are_put_each_whatever_becomes_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    port = Port()
    outputs, said = asserted(port)
    port.fails[FIVE] = OSError("bus")
    outputs.put([FIVE, READY])
    assert port.made == [FIVE, READY]
    assert flush(60.0)
    assert f"{FIVE} could not be shown" in caplog.text
    assert said == []


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [
        (duty(53.3), duty(52.3), True),
        (duty(53.3), duty(54.3), True),
        (duty(53.3), duty(52.2), False),
        (duty(53.3), duty(54.4), False),
        (duty(53.3), duty(None), True),
        (duty(None), duty(53.3), True),
        (duty(53.3), FIVE, False),
        (FIVE, FIVE, True),
        (FIVE, STEADY, False),
        (FIVE, duty(5.0), False),
        (READY, READY, True),
        (READY, ShowState(SignalState.B), False),
    ],
)
def test_what_is_read_back_is_compared_after_a_period_and_said_once(
    wanted: Any, shown: Any, same: bool
) -> None:
    port = Reads()
    port.reads = shown
    outputs, said = asserted(port)
    outputs.show(wanted)
    outputs.again()
    assert said == [], "the port may need a moment"
    for _ in range(3):
        outputs.show(wanted)
        outputs.again()
    assert said == ([] if same else [f"the output shows {shown} instead of {wanted}"])
    port.reads = wanted
    outputs.again()
    port.reads = shown
    outputs.again()
    assert len(said) == (0 if same else 2), "it was right meanwhile"


def test_an_output_that_is_asked_for_something_else_has_a_whole_period_again() -> None:
    port = Reads()
    outputs, said = asserted(port)
    outputs.show(STEADY)
    port.reads = STEADY
    outputs.again()
    outputs.show(FIVE)
    outputs.again()
    assert said == []
    outputs.again()
    assert said == [f"the output shows {STEADY} instead of {FIVE}"]
    port.reads = READY  # which nobody asked for
    outputs.again()
    port.reads = None
    outputs.again()
    assert len(said) == 1


@pytest.mark.parametrize(
    "reads",
    [OSError("bus"), asyncio.CancelledError(), duty("53"), duty(object())],
    ids=["raises", "is cancelled", "a text", "an object"],
)
def test_an_output_that_cannot_be_read_back_is_shown_all_the_same_and_said_once(
    reads: Any, caplog: pytest.LogCaptureFixture
) -> None:
    port = Reads()
    outputs, said = asserted(port)
    for round_ in (1, 2):
        outputs.show(duty(53.3))
        port.reads = duty(53.3)
        outputs.again()
        port.reads = reads
        for _ in range(3):
            port.made.clear()
            outputs.again()
            assert port.made == [duty(53.3)]
        assert flush(60.0)
        assert caplog.text.count("the outputs cannot be read back") == round_
    assert said == []


async def test_whatever_a_port_reads_back_the_pilot_is_asserted_every_second() -> None:
    port = Reads()
    port.reads = duty("53")
    settings = ConnectorSettings(assert_every=1.0)
    machine = SeccConnector(PlainLink(), 18.0, settings)
    driver = ConnectionDriver(machine, NoMedium(), port, lambda action: None)
    await driver.open()
    assert driver.outputs is not None
    driver.outputs.show(duty(53.3))
    port.made.clear()
    await asyncio.sleep(5.5)
    assert port.made.count(duty(53.3)) == 5
    await driver.close()
    port.made.clear()
    await asyncio.sleep(5.0)
    assert port.made == []


async def later(action: Any) -> None:
    """Never run."""


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda action: False, "signalling.show returned False: it was not done"),
        (lambda action: -5, "signalling.show returned -5: it was not done"),
        (later, "signalling.show returned coroutine, for which nobody waits: write `def show`"),
        (
            lambda action: asyncio.get_running_loop().create_future(),
            "signalling.show returned Future, for which nobody waits: write `def show`",
        ),
    ],
)
async def test_an_output_that_was_not_shown_by_what_show_returned_is_said(answer: Any, what: str) -> None:
    port, changes = Port(), list[str]()
    outputs, said = asserted(port)
    outputs.failing = changes.append
    port.show = answer  # type: ignore[method-assign]
    with pytest.raises(HardwareError) as raised:
        outputs.show(READY)
    assert str(raised.value).startswith(what)
    outputs.again()
    outputs.again()
    assert said == [f"{READY} cannot be shown: {raised.value}"]
    assert (outputs.trouble, changes) == (str(raised.value), [str(raised.value)])
    port.show = lambda action: None  # type: ignore[method-assign]
    outputs.again()
    assert (outputs.trouble, changes[1:]) == ("", [""])


@pytest.mark.parametrize("answer", [None, True, 3])
def test_an_output_that_was_written_is_shown(answer: Any) -> None:
    port = Port()
    outputs, _ = asserted(port)
    port.show = lambda action: answer  # type: ignore[method-assign]
    outputs.show(READY)
    assert outputs.trouble == ""


def test_an_output_that_fails_is_trouble_until_that_one_is_shown() -> None:
    port, changes = Port(), list[str]()
    outputs, _ = asserted(port)
    outputs.failing = changes.append
    port.fails[FIVE] = OSError("bus")
    outputs.put([FIVE, READY])
    assert outputs.trouble == "signalling.show raised OSError: bus"
    outputs.show(STEADY)
    assert (outputs.trouble, changes) == ("", ["signalling.show raised OSError: bus", ""])
