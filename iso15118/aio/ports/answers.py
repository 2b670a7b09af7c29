"""What a port returned, where little can be said: whether "yes" was meant, and whether a safe call did
its work."""

from __future__ import annotations

from typing import Any, Final

from iso15118.aio.logs import Log

from .guard import Port, come_back, shown

__all__ = ["meant_yes", "not_done", "once", "told"]

_log = Log(__name__)

_graced: set[str] = set()
_doubted: set[str] = set()
"""Calls whose answer was not clear, by name."""


def once(text: str, *values: object) -> None:
    """A port is written for an older release of this package: said once a process."""
    if text % values not in _graced:
        _graced.add(text % values)
        _log.warning(text, *values)


def meant_yes(name: str, wanted: str) -> None:
    """A port returned None where "yes" has to be said: taken for yes until the next minor release,
    with one warning a process."""
    once("%s returned None; it has to return %s. From version 0.2 on, None is no answer", name, wanted)


_DONE: Final = "returning None or True says that it was done"


def not_done(name: str, result: object) -> str:
    """Why a call that leads to safety did not do its work, by what it returned; empty if it did.

    ``return self.bus.write(...)`` is what drivers do: how many octets were written, more than none, says
    that it was done, and an error code below 0, like any False, that it was not. What can be read either way
    (0, a text) is taken for done until the next minor release, with one warning a process.
    """
    if result is None or result is True:
        return ""
    number = _number(result)
    if number is not None and number > 0.0:
        return ""
    if number is not None and (number < 0.0 or "bool" in type(result).__name__):
        return f"{name} returned {shown(result)}: it was not done ({_DONE})"
    if name not in _doubted:
        _doubted.add(name)
        _log.warning(
            "%s returned %s, which is no clear answer: %s. From version 0.2 on, it says that it was not",
            name,
            shown(result),
            _DONE,
        )
    return ""


def told(port: Port, method: str, *values: Any) -> str:
    """Call a method that has done its work when it returns. Gives why it did not, also by what it returned,
    as ``not_done`` has it; empty if it did."""
    answer, complaint = port.answer(method, *values, at_once=True)
    return complaint or not_done(f"{port.name}.{method}", answer)


def _number(value: object) -> float | None:
    """Of any class that has one, such as those of a numeric library; a text is none."""
    if isinstance(value, str | bytes | bytearray):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whatever it is
    except BaseException as error:
        come_back(error)
        return None
