"""A process for each mutant, forked from one that has imported everything: it runs the tests that may kill it, until one does.

A mutant within a function is put in place of the living code. One that acts at import is read by an import hook, in a process that has
not imported the sources yet.
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

__all__ = ["Attempt", "Task", "at_import", "preload", "within_functions"]

_MEMORY = 4 << 30
_STUCK_S = 600.0
"""Real seconds after which a process that waits for nothing is ended; the limits that count are of the processor's time."""
_KILLED, _SURVIVED, _BROKEN = 10, 11, 12


@dataclass(frozen=True)
class Task:
    """A mutant, and the tests that may kill it, with the seconds of the processor that each takes.

    A test is ended after ten times as many, and ``limit_s``: that counts as killed.
    """

    mutant: Mutant
    tests: Sequence[tuple[str, float]]
    limit_s: float


@dataclass(frozen=True)
class Attempt:
    """What became of a mutant. ``by``: the test that killed it, or why it could not be tried."""

    verdict: str
    by: str = ""


class _Judge:
    """Limits each test, and remembers the first that failed."""

    def __init__(self, task: Task, failed: Callable[[str], None]) -> None:
        self._seconds, self._failed, self._limit_s = dict(task.tests), failed, task.limit_s

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        limit(10.0 * self._seconds.get(nodeid, 0.0) + self._limit_s)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed(f"import: {report.nodeid}")


def limit(seconds: float) -> None:
    """So much more of the processor's time; then the kernel ends this process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _forked(run: Callable[[Callable[[str], None]], None]) -> Attempt:
    """``run`` in a process of its own; it is given how to say that a test failed."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = _BROKEN
        try:
            os.close(ours)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, _STUCK_S)
            limit(60.0)

            def failed(test: str) -> None:
                os.write(theirs, test.encode()[:2000])
                os._exit(_KILLED)

            run(failed)
            status = _SURVIVED
        except BaseException as error:
            os.write(theirs, repr(error).encode()[:2000])
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        ended = signal.Signals(os.WTERMSIG(status)).name
        return Attempt("killed", {"SIGPROF": "processor time", "SIGALRM": "stuck"}.get(ended, ended))
    how = {_KILLED: "killed", _SURVIVED: "survived"}
    return Attempt(how.get(os.WEXITSTATUS(status), "broken"), said)


# -- within functions: the living code is replaced


class _Session:
    """A plugin that runs mutants where pytest would run the tests it has collected."""

    def __init__(
        self, project: Project, tasks: Iterator[Task], done: Callable[[Task, Attempt], None]
    ) -> None:
        self._project, self._tasks, self._done = project, tasks, done

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        _warm(self._project)
        functions = _functions(self._project)
        gc.collect()
        gc.freeze()  # after which nobody finds them any more
        for task in self._tasks:
            chosen = [items[test] for test, _ in task.tests if test in items]

            def run(
                failed: Callable[[str], None], task: Task = task, chosen: list[pytest.Item] = chosen
            ) -> None:
                _replace(self._project, task.mutant, functions)
                session.config.pluginmanager.register(_Judge(task, failed))
                for item, following in zip(chosen, [*chosen[1:], None], strict=True):
                    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

            self._done(task, _forked(run))
        return True


def within_functions(project: Project, tasks: Iterator[Task], done: Callable[[Task, Attempt], None]) -> None:
    """Try mutants in forks of a session that has collected all tests once."""
    os.chdir(project.root)
    silence()
    pytest.main(
        ["--rootdir", str(project.root), *OPTIONS, *project.test_files()],
        plugins=[_Session(project, tasks, done)],
    )


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
    """Of what is collected, the tests that were asked for, the fastest first; of those whose names have changed, all."""

    def __init__(self, tests: Sequence[tuple[str, float]]) -> None:
        self._order = {test: number for number, (test, _) in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = [item for item in items if item.nodeid in self._order]
        items[:] = sorted(known, key=lambda item: self._order[item.nodeid]) or items


def at_import(project: Project, task: Task) -> Attempt:
    """Try a mutant in a process that reads it when it is imported."""

    def run(failed: Callable[[str], None]) -> None:
        os.chdir(project.root)
        silence()
        mutant = task.mutant
        name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        text = mutant.apply(project.read(mutant.file))
        sys.meta_path.insert(0, _Overlay(_Text(name, project.root / mutant.file, text)))
        asked = dict.fromkeys(test.partition("[")[0] for test, _ in task.tests)
        status = pytest.main(
            ["--rootdir", str(project.root), *OPTIONS, *asked],
            plugins=[_Judge(task, failed), _Only(task.tests)],
        )
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            failed(f"pytest: {pytest.ExitCode(status).name}")

    return _forked(run)


def preload(project: Project) -> None:
    """Import what no mutant changes, once for all of them."""
    sys.path.insert(0, str(project.root))
    for name in project.preload:
        importlib.import_module(name)
    gc.freeze()
