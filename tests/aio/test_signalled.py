"""What a plug's signalling pushes: what is no change of it is refused in the call of the port, and a state by
its text counts for the session and for the machine alike."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import MisuseError
from iso15118.link.primitives import DutyChanged, LinkReported
from iso15118.link.spe.signalling import CeChanged, CeState, IdChanged, IdState
from iso15118.session.events import SignalChanged, SignalState
from tests.aio.test_connection_driver import REST, A, Bench, F


class ItsOwn(SignalChanged, frozen=True):
    """As an application may derive one."""


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (SignalState.A, "write SignalChanged(SignalState.A)"),
        (CeState.EC, "write CeChanged(CeState.EC)"),
        (IdState.UNMATED, "write IdChanged(IdState.UNMATED)"),
        (
            "E",
            "'E' cannot be told by a signalling: it is no SignalChanged, DutyChanged, CeChanged or IdChanged",
        ),
        (None, "None cannot be told by a signalling"),
        (LinkReported(True), "cannot be told by a signalling"),
        (SignalChanged(None), "SignalChanged.state is None"),  # type: ignore[arg-type]
        (SignalChanged("G"), "SignalChanged.state is 'G'"),  # type: ignore[arg-type]
        (CeChanged("no"), "CeChanged.state is 'no': write a CeState"),  # type: ignore[arg-type]
        (CeChanged(SignalState.A), "CeChanged.state is <SignalState.A"),  # type: ignore[arg-type]
        (IdChanged(True), "IdChanged.state is True: write a IdState"),  # type: ignore[arg-type]
        (DutyChanged(float("nan")), "DutyChanged.percent is nan"),
        (DutyChanged(100.1), "DutyChanged.percent is 100.1"),
        (DutyChanged(-0.1), "DutyChanged.percent is -0.1"),
        (DutyChanged("5"), "DutyChanged.percent is '5'"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("opened", [True, False])
async def test_what_is_no_change_of_the_signalling_is_refused_in_the_call(
    event: Any, what: str, opened: bool
) -> None:
    """It was ignored under power, and the session did not hear of a plug that was out."""
    first: list[Any] = []
    bench = Bench(first=first.append)
    await bench.driver.open()
    if not opened:
        await bench.driver.close()
    with pytest.raises(MisuseError) as raised:
        bench.signal(event)
    assert what in str(raised.value)
    await bench.driver.open()
    assert (bench.told, first) == ([], [])
    await bench.driver.close()


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (SignalChanged("A"), A),  # type: ignore[arg-type]
        (ItsOwn(SignalState.F), F),
        (CeChanged("A"), CeChanged(CeState.A)),  # type: ignore[arg-type]
        (IdChanged("not mated"), IdChanged(IdState.UNMATED)),  # type: ignore[arg-type]
        (DutyChanged(None), DutyChanged(None)),
        (DutyChanged(0.0), DutyChanged(0.0)),
        (DutyChanged(100), DutyChanged(100)),
    ],
)
async def test_a_state_by_its_text_counts_as_that_state_for_session_and_machine(
    event: Any, heard: Any
) -> None:
    first: list[Any] = []
    bench = Bench(first=first.append)
    await bench.driver.open()
    bench.signal(event)
    assert bench.told == first == [heard]
    assert type(bench.told[0]) is type(heard)
    await bench.driver.close()


@pytest.mark.parametrize("event", [None, "A", SignalState.A, REST, LinkReported(1), SignalChanged(None)])  # type: ignore[arg-type]
async def test_what_is_no_event_cannot_be_told(event: Any) -> None:
    bench = Bench()
    await bench.driver.open()
    with pytest.raises(MisuseError):
        bench.driver.tell(event)
    assert bench.told == []
    await bench.driver.close()


class ItsOwnDuty(DutyChanged, frozen=True):
    """The same of a duty cycle."""


async def test_a_duty_cycle_of_a_class_of_the_application_is_one() -> None:
    bench = Bench()
    await bench.driver.open()
    bench.signal(ItsOwnDuty(50.0))
    (told,) = bench.told
    assert type(told) is DutyChanged
    assert told == DutyChanged(50.0)
    await bench.driver.close()
