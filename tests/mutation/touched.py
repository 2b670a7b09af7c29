"""Which tests run which lines: one run of the tests with coverage and a context for each of them, kept in the build folder.

The map is made anew for a test module that has changed. Where a source has changed, its lines are found again by their text.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import coverage
import pytest

from .mutants import Mutant
from .project import Project, digest

__all__ = ["OPTIONS", "Touched", "touched"]

OPTIONS = [
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--hypothesis-seed=0",
    "-m",
    "not netns and not real_time",
]
OPTIONS += ["-W", "ignore:Module already imported"]  # by preload
"""The same tests in each run, with the same values."""


@dataclass
class Module:
    """What is known of one test module: seconds of the processor by test, and the tests by file and line."""

    hash: str
    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    """The tests by their place among ``seconds``."""
    imports: dict[str, list[int]] = field(default_factory=dict)
    """Lines that ran without a test: when modules were imported."""

    @cached_property
    def names(self) -> list[str]:
        return list(self.seconds)


class Touched:
    """The map, for the sources as they are now."""

    def __init__(self, project: Project, modules: dict[str, Module], sources: dict[str, str]) -> None:
        self._project, self._modules, self._then = project, modules, sources

    @cached_property
    def seconds(self) -> dict[str, float]:
        return {test: taken for module in self._modules.values() for test, taken in module.seconds.items()}

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Whoever runs this line, the fastest first; for what acts at import, whoever runs anything of the file, or of its folder."""
        found: set[str] = set()
        if mutant.function is not None:
            now = self._now(mutant.file)
            found = self._at(mutant.file, now.get(mutant.line, ()))
            if not found:
                first, last = mutant.lines
                found = self._at(
                    mutant.file, [then for line in range(first, last + 1) for then in now.get(line, ())]
                )
            if not found and not self.acts_at_import(mutant):
                return []
        if not found:
            found = self._anywhere([mutant.file])
        if not found:
            folder = mutant.file.rpartition("/")[0] + "/"
            found = self._anywhere([file for file in self._then if file.startswith(folder)])
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def acts_at_import(self, mutant: Mutant) -> bool:
        """Outside of functions, and in those that build a table when they are imported."""
        if mutant.function is None:
            return True
        now = self._now(mutant.file)
        lines = {then for line in range(mutant.lines[0], mutant.lines[1] + 1) for then in now.get(line, ())}
        return any(lines & set(module.imports.get(mutant.file, ())) for module in self._modules.values())

    def _at(self, file: str, lines: Iterable[int]) -> set[str]:
        found: set[str] = set()
        for module in self._modules.values():
            by_line = module.lines.get(file, {})
            found |= {module.names[test] for line in lines for test in by_line.get(line, ())}
        return found

    def _anywhere(self, files: list[str]) -> set[str]:
        found: set[str] = set()
        for module in self._modules.values():
            by_file = [module.lines.get(file, {}) for file in files]
            found |= {module.names[test] for lines in by_file for tests in lines.values() for test in tests}
        return found

    def _now(self, file: str) -> dict[int, list[int]]:
        """Line now -> lines when the map was made. A new line counts as the one above it that was there."""
        if file not in self._places:
            text = self._project.read(file).decode().splitlines()
            before = self._then.get(file, "").splitlines()
            places: dict[int, list[int]] = {}
            for what, first, last, now_first, now_last in difflib.SequenceMatcher(
                None, before, text, autojunk=False
            ).get_opcodes():
                for line in range(now_first, now_last):
                    if what == "equal":
                        places[line + 1] = [first + line - now_first + 1]
                    elif what == "replace":
                        places[line + 1] = list(range(first + 1, last + 1))
                    else:
                        places[line + 1] = [first]
            self._places[file] = places
        return self._places[file]

    @cached_property
    def _places(self) -> dict[str, dict[int, list[int]]]:
        return {}


def touched(project: Project, *, processes: int, anew: bool = False) -> Touched:
    """Read the map, and make what is missing of it."""
    path = project.cache / "touched.json"
    kept: dict[str, Any] = {"sources": {}, "modules": {}}
    if path.exists() and not anew:
        kept = json.loads(path.read_text())
    modules = {name: _module(data) for name, data in kept["modules"].items()}
    sources: dict[str, str] = kept["sources"]
    hashes = {name: digest([project.read(name)]) for name in project.test_files()}
    stale = [name for name, now in hashes.items() if name not in modules or modules[name].hash != now]
    # Lines of two states of a source cannot be told apart in one map.
    moved = any(sources.get(file) != project.read(file).decode() for file in project.files())
    if stale and moved:
        stale = list(hashes)
    if stale:
        print(f"which tests run which lines: {len(stale)} of {len(hashes)} test modules", file=sys.stderr)
        sources = {file: project.read(file).decode() for file in project.files()}
        modules |= dict(_measure(project, stale, hashes, processes))
    modules = {name: module for name, module in modules.items() if name in hashes}
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"sources": sources, "modules": {name: asdict(module) for name, module in modules.items()}}
    path.write_text(json.dumps(data))
    return Touched(project, modules, sources)


def _module(data: dict[str, Any]) -> Module:
    lines = {file: {int(line): tests for line, tests in by.items()} for file, by in data["lines"].items()}
    return Module(data["hash"], data["seconds"], lines, data["imports"])


def _measure(
    project: Project, names: list[str], hashes: dict[str, str], processes: int
) -> Iterator[tuple[str, Module]]:
    """In several processes, each with its share of the modules."""
    shares = [share for number in range(processes) if (share := names[number::processes])]
    running = []
    for number, share in enumerate(shares):
        made = project.cache / f"share-{os.getpid()}-{number}.json"
        made.parent.mkdir(parents=True, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            words, status = os.dup(2), 1
            try:
                made.write_text(json.dumps(_watch(project, share)))
                status = 0
            except BaseException:
                os.write(words, traceback.format_exc().encode())
            finally:
                os._exit(status)
        running.append((pid, made, share))
    for pid, made, share in running:
        _, status = os.waitpid(pid, 0)
        if status:
            raise SystemExit(f"the tests do not run: {' '.join(share)}")
        measured = json.loads(made.read_text())
        made.unlink()
        for name in share:
            found = Module(hashes[name], imports=measured["imports"])
            for test, taken in measured["seconds"].items():
                if test.partition("::")[0] == name:
                    found.seconds[test] = taken
            places = {test: number for number, test in enumerate(found.seconds)}
            for file, by_line in measured["lines"].items():
                for line, tests in by_line.items():
                    mine = [places[test] for test in tests if test in places]
                    if mine:
                        found.lines.setdefault(file, {})[int(line)] = mine
            yield name, found


class _Clock:
    """Switches the context with each test, and takes its time. Tests that fail or are left out are no judges."""

    def __init__(self, cov: coverage.Coverage) -> None:
        self.cov = cov
        self.seconds: dict[str, float] = {}
        self.unfit: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.cov.switch_context(item.nodeid)
        began = time.process_time()
        result = yield
        self.seconds[item.nodeid] = round(time.process_time() - began, 4)
        self.cov.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.unfit.add(report.nodeid)


def _watch(project: Project, names: list[str]) -> dict[str, Any]:
    """Run these test modules under coverage."""
    os.chdir(project.root)
    silence()
    cov = coverage.Coverage(
        data_file=None, config_file=False, include=[str(project.root / file) for file in project.files()]
    )
    clock = _Clock(cov)
    cov.start()
    try:
        pytest.main(["--rootdir", str(project.root), *OPTIONS, *names], plugins=[clock])
    finally:
        cov.stop()
    fit = {test: taken for test, taken in clock.seconds.items() if test not in clock.unfit}
    lines: dict[str, dict[int, list[str]]] = {}
    imports: dict[str, list[int]] = {}
    data = cov.get_data()
    for measured in data.measured_files():
        file = Path(measured).relative_to(project.root).as_posix()
        for line, contexts in data.contexts_by_lineno(measured).items():
            lines.setdefault(file, {})[line] = [test for test in contexts if test in fit]
            if "" in contexts:
                imports.setdefault(file, []).append(line)
    return {"seconds": fit, "lines": lines, "imports": imports}


def silence() -> None:
    """Whatever is printed from now on in this process goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
