"""What a basic signalling pushes, judged in the call of the port that pushes it: what is none of its events
is refused there, and nothing of it is kept.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, TypeGuard

from iso15118.aio.ports.guard import shown
from iso15118.aio.ports.inbox import checked
from iso15118.errors import MisuseError
from iso15118.link.primitives import DutyChanged, LinkReported
from iso15118.link.spe.signalling import CeChanged, CeState, IdChanged, IdState
from iso15118.ranges import is_number
from iso15118.vocabulary import Event, SignalChanged, SignalState

__all__ = ["checked_event", "checked_signal"]

_SIGNALS: Final = (SignalChanged, CeChanged, IdChanged, DutyChanged)
_STATES: Final[dict[type, type[Event]]] = {
    SignalState: SignalChanged,
    CeState: CeChanged,
    IdState: IdChanged,
}


def checked_signal(event: object) -> Event:
    """A change of the basic signalling with its field in its type. Raises ``MisuseError`` that names what it
    is and how to mend it. One of a class of the application's own counts as the event that it is derived
    from."""
    kind = next((base for base in type(event).__mro__ if base in _SIGNALS), None)
    if kind is SignalChanged:
        return event if _is_plain(event, SignalChanged, SignalState) else checked(event)
    if kind is CeChanged:
        return event if _is_plain(event, CeChanged, CeState) else CeChanged(_state(event, CeChanged, CeState))
    if kind is IdChanged:
        return event if _is_plain(event, IdChanged, IdState) else IdChanged(_state(event, IdChanged, IdState))
    if kind is DutyChanged:
        return _duty(event)
    wanted = _STATES.get(type(event))
    remedy = (
        "it is no SignalChanged, DutyChanged, CeChanged or IdChanged"
        if wanted is None
        else f"write {wanted.__name__}({event})"
    )
    raise MisuseError(f"{shown(event)} cannot be told by a signalling: {remedy}")


def checked_event(event: object) -> Event:
    """Anything that a connection can be told: a change of the signalling as in ``checked_signal``, or another
    event. Raises ``MisuseError`` for what is none."""
    if isinstance(event, _SIGNALS):
        return checked_signal(event)
    if not isinstance(event, Event):
        raise MisuseError(f"{shown(event)} cannot be told: it is no event")
    if isinstance(event, LinkReported) and type(event.up) is not bool:
        raise MisuseError(f"LinkReported.up is {shown(event.up)}: write True or False")
    return event


def _is_plain(event: Any, kind: type[Event], states: type[Enum]) -> TypeGuard[Event]:
    return type(event) is kind and type(event.state) is states  # type: ignore[attr-defined]  # each has one


def _state(event: Any, kind: type[Event], states: type[Enum]) -> Any:
    """The text of a state counts as that state, as it does for a signal port."""
    state = event.state
    if type(state) is states:
        return state
    for one in states:
        if type(state) is str and one.value == state:
            return one
    raise MisuseError(f"{kind.__name__}.state is {shown(state)}: write a {states.__name__}")


def _duty(event: Any) -> DutyChanged:
    percent = event.percent
    if percent is not None and not is_number(percent, 0.0, 100.0):
        raise MisuseError(
            f"DutyChanged.percent is {shown(percent)}: a number from 0 to 100 in percent is wanted, or None"
        )
    return event if type(event) is DutyChanged else DutyChanged(percent)
