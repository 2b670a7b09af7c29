"""Callbacks that are coroutine functions, which nobody would wait for, are refused by name; texts of groups
of exceptions say what happened."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from iso15118.aio.arguments import check_arguments
from iso15118.aio.ports.guard import Callback, describe
from iso15118.errors import ConfigError


async def later(*what: object) -> None:
    """What runs when somebody waits for it."""


class Later:
    async def __call__(self, *what: object) -> None:
        """Likewise."""


@pytest.mark.parametrize("name", ["news", "observer", "watch", "on_request", "connections"])
@pytest.mark.parametrize("given", [later, partial(later, 1), Later()], ids=["async def", "partial", "object"])
def test_a_callback_that_nobody_would_wait_for_is_refused_by_name(name: str, given: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: .*a function, and no `async def`"):
        check_arguments(**{name: given})


def test_so_it_is_wherever_an_application_is_told_something() -> None:
    with pytest.raises(ConfigError, match="who is told of results: a coroutine function"):
        Callback("who is told of results", later)


@pytest.mark.parametrize("given", [print, partial(print, 1), lambda *_: None, None, [].append])
def test_others_are_taken(given: Any) -> None:
    check_arguments(news=given, connections=given)


class Hollow(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("it has none")


def test_the_text_of_a_group_is_that_of_the_first_cause() -> None:
    cause = OSError("pole 1: I/O error")
    inner = ExceptionGroup("unhandled errors in a TaskGroup", [cause, ValueError("later")])
    assert describe(inner) == "OSError: pole 1: I/O error"
    assert describe(BaseExceptionGroup("outer", [inner])) == "OSError: pole 1: I/O error"
    assert describe(Hollow("hollow", [cause])) == "OSError: pole 1: I/O error"
    deep: Exception = cause
    for _ in range(100):
        deep = ExceptionGroup("deep", [deep])
    assert describe(deep) == "ExceptionGroup: deep (1 sub-exception)"
