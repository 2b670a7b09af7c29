"""Whether the parts of a ``Station`` or a ``Vehicle`` have what their ports need, found
out when they are put together.

A method that is missing, or a plain function where a coroutine is wanted, is a mistake of today's program
and no fault of tomorrow night.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final

from iso15118.errors import ConfigError

__all__ = ["Kind", "check_ports", "not_to_be_told", "refuse_common_ports", "signature_of"]


class Kind(Enum):
    """How an attribute of a port is used."""

    ASKED = auto()
    """Called and awaited."""
    TOLD = auto()
    """Called; answers at once."""
    READ = auto()
    """Read; it is there, but its value is judged when it is read."""


_OF_ONE: Final = (
    "contactors",
    "power",
    "ac",
    "pad",
    "connection_device",
    "inlet",
    "charger",
    "receiver",
    "signal",
    "heartbeat",
)
"""Ports behind which something is switched, measured or watched that belongs to one
connector, or one inlet. A monitor of insulation may serve several, one after the other."""


def refuse_common_ports(one: object, other: object, hint: str) -> None:
    """Two bundles that are in use at the same time have no such port in common: what a session of one asks
    for is what the other finds between its sessions and switches off under power, and a heartbeat of both
    hides that one of them is dead. Raises ``ConfigError`` with the port's name."""
    for name in _OF_ONE:
        port = getattr(one, name, None)
        if port is not None and port is getattr(other, name, None):
            raise ConfigError(name, "another one that is open has this very port", hint)


def not_to_be_told(call: Any, *values: str) -> str | None:
    """Why a function of the application cannot be called with so many values and be done when it returns;
    None if it can, or if that cannot be known."""
    if not callable(call):
        return f"it is {type(call).__name__}, which cannot be called"
    if _surely_later(call):
        return "a coroutine function or a generator, which nobody waits for"
    if _surely_refuses(call, values):
        return f"it cannot be called with {', '.join(values)} alone"
    return None


def signature_of(method: Callable[..., Any]) -> inspect.Signature:
    """What it takes when it is called: of a decorator's wrapper its own, and not that of what it wraps, to
    which it may add values. Raises as ``inspect.signature``."""
    return inspect.signature(method, follow_wrapped=False)


def check_ports(
    bundle: object,
    wanted: Mapping[str, Mapping[str, Kind]],
    may: Mapping[str, Mapping[str, Kind]] | None = None,
    protocols: Mapping[str, tuple[type, ...]] | None = None,
) -> None:
    """Look at every port of ``bundle`` that is not None; ``may``: what need not be there. ``protocols``:
    those whose methods say what each port's are called with. Raises ``ConfigError``."""
    for name, attributes in wanted.items():
        port = getattr(bundle, name)
        if port is None:
            if type(bundle).__dataclass_fields__[name].default is not None:  # type: ignore[attr-defined]  # a dataclass
                raise ConfigError(name, "this port is missing", f"give {type(bundle).__name__} one")
            continue
        if isinstance(port, type) and any(_wants_self(port, attribute) for attribute in attributes):
            raise ConfigError(name, f"{port.__name__} is a class and no object", f"give {port.__name__}(...)")
        said_by = (protocols or {}).get(name, ())
        for attribute, kind in attributes.items():
            _check(port, f"{name}.{attribute}", attribute, kind)
            _check_values(port, f"{name}.{attribute}", attribute, kind, said_by)
        for attribute, kind in (may or {}).get(name, {}).items():
            if _has(port, attribute):
                _check(port, f"{name}.{attribute}", attribute, kind)
                _check_values(port, f"{name}.{attribute}", attribute, kind, said_by)


def _check(port: object, name: str, attribute: str, kind: Kind) -> None:
    if kind is Kind.READ:
        if not _has(port, attribute):
            raise ConfigError(name, f"{type(port).__name__} has no {attribute}", "a property or an attribute")
        if _is_method(port, attribute):
            raise ConfigError(
                name, "a method, which is read and not called", f"write `@property` above {attribute}"
            )
        return
    try:
        method = getattr(port, attribute)
    except AttributeError:
        raise ConfigError(
            name, f"{type(port).__name__} has no {attribute}", _remedy(attribute, kind)
        ) from None
    except (KeyboardInterrupt, SystemExit):  # somebody ends the program
        raise
    except BaseException as error:
        raise ConfigError(
            name, f"looking it up raises {type(error).__name__}", _remedy(attribute, kind)
        ) from error
    if not callable(method):
        raise ConfigError(
            name, f"it is {type(method).__name__}, which cannot be called", _remedy(attribute, kind)
        )
    if kind is Kind.ASKED and _surely_not_awaitable(method):
        raise ConfigError(name, "a plain function, which nobody can wait for", _remedy(attribute, kind))
    if kind is Kind.TOLD and _surely_later(method):
        raise ConfigError(name, "a coroutine function, which nobody waits for", _remedy(attribute, kind))


_MAY_TAKE_FEWER: Final = {"cable_check.run": 1}
"""Methods of an older kind, which take so many values less, and how many. They are called so until then."""


def _check_values(port: object, name: str, attribute: str, kind: Kind, protocols: tuple[type, ...]) -> None:
    """It takes the values that it will be called with, in their order. Where it does not say what it takes
    it is believed until it is called."""
    said = next((found for one in protocols if (found := getattr(one, attribute, None)) is not None), None)
    if kind is Kind.READ or said is None:
        return
    values = tuple(inspect.signature(said).parameters)[1:]  # without self
    try:
        takes = signature_of(getattr(port, attribute))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a builtin, or one that says nonsense of itself
        return
    wrong: TypeError | None = None
    for count in range(len(values), len(values) - _MAY_TAKE_FEWER.get(name, 0) - 1, -1):
        try:
            takes.bind(*values[:count])
        except TypeError as error:
            wrong = error if wrong is None else wrong
        else:
            _check_order(takes, name, attribute, kind, values)
            return
    raise ConfigError(
        name,
        f"it is called with ({', '.join(values)}), and takes ({', '.join(takes.parameters)}): {wrong}",
        f"write `{'async def' if kind is Kind.ASKED else 'def'} {attribute}({', '.join(('self', *values))})`",
    )


def _check_order(
    takes: inspect.Signature, name: str, attribute: str, kind: Kind, values: tuple[str, ...]
) -> None:
    """A parameter with the name of another value would get this one: amperes for volts."""
    positional = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    taken = [one.name for one in takes.parameters.values() if one.kind in positional]
    for gets, called in zip(taken, values, strict=False):
        if gets != called and gets in values:
            raise ConfigError(
                name,
                f"it is called with ({', '.join(values)}) in this order, and its {gets} would get {called}",
                f"write `{'async def' if kind is Kind.ASKED else 'def'} {attribute}({', '.join(('self', *values))})`",
            )


def _remedy(attribute: str, kind: Kind) -> str:
    return f"write `{'async def' if kind is Kind.ASKED else 'def'} {attribute}(...)`"


def _has(port: object, attribute: str) -> bool:
    """Without reading it: that may touch the hardware."""
    try:
        inspect.getattr_static(port, attribute)
    except AttributeError:
        # What answers for another object by __getattr__ has to be asked.
        if not hasattr(type(port), "__getattr__"):
            return False
        try:
            getattr(port, attribute)
        except AttributeError:
            return False
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            return True  # it is there; what it raises is dealt with when it is read
    return True


def _wants_self(port: type, attribute: str) -> bool:
    """In a class that was given in place of an object; one of static methods and values will do."""
    found = inspect.getattr_static(port, attribute, None)
    return inspect.isfunction(found) or isinstance(found, property)


def _is_method(port: object, attribute: str) -> bool:
    """Without reading it. What is not in the class, or comes by ``__getattr__``,
    is judged when it is read."""
    found = inspect.getattr_static(type(port), attribute, None)
    return inspect.isfunction(found) or isinstance(found, (staticmethod, classmethod))


def _surely_later(method: Any) -> bool:
    """What it is called for is not done when it returns: a coroutine function or a generator, and an object
    whose ``__call__`` is one. What a decorator makes of one cannot be told: it may well run it."""
    return any(
        inspect.iscoroutinefunction(found)
        or inspect.isasyncgenfunction(found)
        or inspect.isgeneratorfunction(found)
        for found in (method, inspect.getattr_static(type(method), "__call__", None))
    )


def _surely_refuses(method: Any, values: tuple[str, ...]) -> bool:
    """It cannot be called with so many values. Believed where there is no signature to be had."""
    refuses = False
    try:
        signature_of(method).bind(*values)
    except TypeError as error:
        refuses = "argument" in str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        refuses = False  # nothing is known of it
    return refuses


def _surely_not_awaitable(method: Any) -> bool:
    """A function of Python that is no coroutine function and says nothing of an awaitable: ``def
    stop(self, urgency) -> None``.

    Whatever cannot be told is believed until it is called: functions of C, objects with ``__call__``,
    what is annotated or wrapped.
    """
    found = inspect.unwrap(method)
    if inspect.iscoroutinefunction(method):  # whatever it wraps
        return False
    if inspect.iscoroutinefunction(found) or not (inspect.isfunction(found) or inspect.ismethod(found)):
        return False
    if found.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return False
    says = found.__annotations__.get("return", "")
    if hasattr(says, "__await__"):
        return False
    text = says if isinstance(says, str) else repr(says)
    return not any(word in text for word in ("Awaitable", "Coroutine", "Future", "Task", "Any"))
