"""A process for each mutant, forked from one that has imported everything: it runs the tests that
may kill it, until one does.

A mutant within a function is put in place of the living code. One that acts at import is read by an import
hook, in a process that has not imported the sources yet. A test kills only if it fails by itself, too, and
has passed in such a process without a mutant.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from .mutants import Mutant
from .project import Project
from .touched import OPTIONS, silence

__all__ = ["Attempt", "Outcome", "Try", "at_import", "judge", "preload", "within_functions"]

_MEMORY = 4 << 30
_STUCK_S = 20.0
"""Real seconds, and twenty times its usual ones, after which a test that uses no processor is ended; the
limit that counts is of the processor's time."""
_DONE, _BROKEN = 11, 12
_BEGINS, _IMPORTS, _FAILED, _WHY = b"+", b"%", b"!", b"?"
_OF_IMPORT = 12.0
"""So many times the limit of a test for the import of its module."""
_TIMES = {"SIGPROF": "(processor time)", "SIGALRM": "(stuck)"}

Tests = Sequence[tuple[str, float]]
"""Tests and the seconds of the processor that each takes."""
Try = Callable[[Mutant | None, Tests], "Outcome"]
"""Run these tests in a process of their own, with this mutant or none, until one fails."""


@dataclass(frozen=True)
class Outcome:
    """What became of tests in one process."""

    failed: str = ""
    """The test that did, or that was ended."""
    ended: str = ""
    """How it was ended by the limit or a signal, if it was."""
    broken: str = ""
    """Why they could not be run."""
    began: int = 0
    """How many were begun."""


@dataclass(frozen=True)
class Attempt:
    """What became of a mutant. ``by``: the test that killed it, or why it could not be tried."""

    verdict: str
    by: str = ""
    tried: int = 0
    """How many tests were run with it."""


def judge(
    mutant: Mutant, tests: Tests, complete: bool, attempt: Try, fit: Callable[[str, float, Try], bool]
) -> Attempt:
    """Try a mutant. A test counts if it fails by itself as well, and is ``fit``: it has
    passed without any mutant."""

    def how(outcome: Outcome) -> str:
        return "timeout" if outcome.ended in _TIMES.values() else "killed"

    left, tried = list(tests), 0
    while left:
        outcome = attempt(mutant, left)
        if outcome.broken:
            return Attempt("broken", outcome.broken, tried)
        if not outcome.failed:
            return Attempt("survived" if complete else "undecided", "", tried + outcome.began)
        tried += outcome.began
        at = next((place for place, (test, _) in enumerate(left) if test == outcome.failed), -1)
        if at < 0:  # a module that cannot be imported: none of its tests is there
            its = [one for one in left if outcome.failed == _import_of(one[0])]
            if attempt(None, its[:1] or left[:1]).failed:
                return Attempt("broken", outcome.failed, tried)
            return Attempt(how(outcome), f"{outcome.failed} {outcome.ended}".strip(), tried)
        test, seconds = left[at]
        if fit(test, seconds, attempt):
            again = attempt(mutant, [left[at]]) if at and not outcome.ended else outcome
            if again.failed:
                return Attempt(how(again), f"{again.failed} {again.ended}".strip(), tried)
        left = left[at + 1 :]
    return Attempt("survived" if complete else "undecided", "", tried)


def _import_of(test: str) -> str:
    return f"import: {test.partition('::')[0]}"


class _Judge:
    """Limits each test, and says which begins and which has failed; that ends the process."""

    def __init__(self, tests: Tests, limit_s: float, say: Callable[[bytes, str], None]) -> None:
        self._seconds, self._limit_s, self._say = dict(tests), limit_s, say

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say(_BEGINS, nodeid)
        seconds = self._seconds.get(nodeid, 0.0)
        limit(max(self._limit_s, 10.0 * seconds), _STUCK_S + 20.0 * seconds)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._fail(report.nodeid)

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        if isinstance(collector, pytest.Module):
            self._say(_IMPORTS, _import_of(collector.nodeid))
            limit(_OF_IMPORT * self._limit_s, 10.0 * _STUCK_S)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._fail(_import_of(report.nodeid))

    def _fail(self, name: str) -> None:
        self._say(_FAILED, name)
        os._exit(_DONE)


def limit(processor_s: float, real_s: float) -> None:
    """So much more of the processor's time, and of any; then the kernel ends this process."""
    for number, timer, seconds in (
        (signal.SIGPROF, signal.ITIMER_PROF, processor_s),
        (signal.SIGALRM, signal.ITIMER_REAL, real_s),
    ):
        signal.signal(number, signal.SIG_DFL)
        signal.setitimer(timer, seconds)


def _forked(run: Callable[[Callable[[bytes, str], None]], None]) -> Outcome:
    """``run`` in a process of its own; it is given how to say what happens."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = _BROKEN
        try:
            os.close(ours)

            def say(kind: bytes, text: str) -> None:
                os.write(theirs, kind + text.encode()[:2000].replace(b"\n", b" ") + b"\n")

            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            limit(60.0, 10.0 * _STUCK_S)
            try:
                run(say)
                status = _DONE
            except BaseException as error:
                say(_WHY, repr(error))
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().splitlines()
    _, status = os.waitpid(pid, 0)
    heard = {
        kind: [line[1:].decode(errors="replace") for line in said if line[:1] == kind]
        for kind in (_BEGINS, _IMPORTS, _FAILED, _WHY)
    }
    began, imports = heard[_BEGINS], heard[_IMPORTS]
    if os.WIFSIGNALED(status) and (began or imports):
        ended = signal.Signals(os.WTERMSIG(status)).name
        return Outcome((began or imports)[-1], _TIMES.get(ended, f"({ended})"), began=len(began))
    if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) != _DONE:
        return Outcome(broken=" ".join(heard[_WHY]) or f"ended with {status}", began=len(began))
    return Outcome("".join(heard[_FAILED][:1]), began=len(began))


# -- within functions: the living code is replaced


class _Session:
    """A plugin that hands over where pytest would run the tests it has collected."""

    def __init__(self, project: Project, limit_s: float, work: Callable[[Try], None]) -> None:
        self._project, self._limit_s, self._work = project, limit_s, work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        _import_all(self._project)
        _warm(self._project)
        functions = _functions(self._project)
        gc.collect()
        gc.freeze()  # after which nobody finds them any more

        def attempt(mutant: Mutant | None, tests: Tests) -> Outcome:
            chosen = [items[test] for test, _ in tests if test in items]

            def run(say: Callable[[bytes, str], None]) -> None:
                if mutant is not None:
                    _replace(self._project, mutant, functions)
                session.config.pluginmanager.register(_Judge(tests, self._limit_s, say))
                for item, following in zip(chosen, [*chosen[1:], None], strict=True):
                    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

            return _forked(run)

        self._work(attempt)
        return True


def within_functions(
    project: Project, files: Sequence[str], limit_s: float, work: Callable[[Try], None]
) -> None:
    """``work`` in a session that has collected the tests of these files once; each try is a fork of it."""
    os.chdir(project.root)
    silence()
    pytest.main(
        ["--rootdir", str(project.root), *OPTIONS, *files],
        plugins=[_Session(project, limit_s, work)],
    )


def _import_all(project: Project) -> None:
    """Also what is imported at first use only: another edition, when a session chooses it."""
    for file in project.files():
        name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        importlib.import_module(name)


def _warm(project: Project) -> None:
    for place in project.warm:
        module, _, name = place.partition(":")
        if (made := getattr(sys.modules.get(module), name, None)) is not None:
            made()


_Where = tuple[str, str, int]


def _functions(project: Project) -> dict[_Where, list[FunctionType]]:
    """File, qualified name and first line -> the functions that live there."""
    files = {str(project.root / file): file for file in project.files()}
    found: dict[_Where, list[FunctionType]] = {}
    gc.unfreeze()  # what was there before the tests were collected (tests/conftest.py) is among them
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename in files:
            code = thing.__code__
            where = files[code.co_filename], code.co_qualname, code.co_firstlineno
            found.setdefault(where, []).append(thing)
    return found


def _replace(project: Project, mutant: Mutant, functions: dict[_Where, list[FunctionType]]) -> None:
    assert mutant.function is not None
    name, first = mutant.function
    whole = compile(mutant.apply(project.read(mutant.file)), str(project.root / mutant.file), "exec")
    (code,) = (one for one in _codes(whole) if (one.co_qualname, one.co_firstlineno) == (name, first))
    living = functions.get((mutant.file, name, first), [])
    if not living:
        raise LookupError(f"nobody has imported {name} of {mutant.file}")
    for function in living:
        function.__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


# -- at import: the module is read by a hook


class _Text(importlib.machinery.SourceFileLoader):
    """A module with another text than that of its file."""

    def __init__(self, name: str, path: Path, text: bytes) -> None:
        super().__init__(name, str(path))
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec")


class _Overlay(importlib.abc.MetaPathFinder):
    """Finds this one module, before anybody else does."""

    def __init__(self, loader: _Text) -> None:
        self._loader = loader

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._loader.name:
            return None
        return spec_from_file_location(fullname, self._loader.path, loader=self._loader)


class _Only:
    """Of what is collected, the tests that were asked for, in their order; of those
    whose names have changed, all."""

    def __init__(self, tests: Tests) -> None:
        self._order = {test: number for number, (test, _) in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = [item for item in items if item.nodeid in self._order]
        items[:] = sorted(known, key=lambda item: self._order[item.nodeid]) or items


def at_import(project: Project, limit_s: float) -> Try:
    """How to try a mutant in a process that reads it when it is imported."""

    def attempt(mutant: Mutant | None, tests: Tests) -> Outcome:
        def run(say: Callable[[bytes, str], None]) -> None:
            os.chdir(project.root)
            silence()
            if mutant is not None:
                name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                text = mutant.apply(project.read(mutant.file))
                sys.meta_path.insert(0, _Overlay(_Text(name, project.root / mutant.file, text)))
            asked = dict.fromkeys(test.partition("[")[0] for test, _ in tests)
            status = pytest.main(
                ["--rootdir", str(project.root), *OPTIONS, *asked],
                plugins=[_Judge(tests, limit_s, say), _Only(tests)],
            )
            if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                say(_FAILED, f"pytest: {pytest.ExitCode(status).name}")

        return _forked(run)

    return attempt


def preload(project: Project) -> None:
    """Import what no mutant changes, once for all of them."""
    sys.path.insert(0, str(project.root))
    for name in project.preload:
        importlib.import_module(name)
    gc.freeze()
