"""Which tests run which lines: one run of the tests with coverage and a context for each of
them, kept in the build folder.

The map is made anew for a test module that has changed. Where a source has changed since, its lines
are found again by their text.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import coverage
import pytest

from .mutants import Mutant
from .places import mentions, names_made
from .project import Project, digest

__all__ = ["OPTIONS", "Touched", "silence", "touched"]

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
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+$")


@dataclass
class Module:
    """What is known of one test module: seconds of the processor by test, and the tests by file and line."""

    hash: str
    sources: dict[str, str] = field(default_factory=dict)
    """The digests of the files that the lines are of."""
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

    def __init__(self, project: Project, modules: dict[str, Module], texts: dict[str, str]) -> None:
        self._project, self._texts = project, texts
        self.modules = modules
        self._places: dict[tuple[str, str], dict[int, list[int]]] = {}
        self._shares: dict[str, Counter[str]] = {}
        self._test_texts: dict[str, str] = {}

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Of the processor, by test."""
        return {test: taken for module in self.modules.values() for test, taken in module.seconds.items()}

    def tests_of(self, mutant: Mutant) -> set[str]:
        """Whoever runs this line. For what acts at import: whoever runs a line that mentions its name, or
        anything of the file; if nobody does, whoever runs anything of its folder."""
        found: set[str] = set()
        if mutant.function is not None:
            found = self._at(mutant.file, [mutant.line])
            if not found:
                found = self._at(mutant.file, range(mutant.lines[0], mutant.lines[1] + 1))
            if self._is_async(mutant):
                # What follows on a cancellation is not always seen by the measurement:
                # whoever runs anything of it, too.
                found |= self._at(mutant.file, range(mutant.function[1], mutant.line))
            if found or not self.acts_at_import(mutant):
                return found
        for file, lines in mentions(self._project, mutant).items():
            found |= self._at(file, lines)
        found |= self._anywhere([mutant.file])
        if not found:
            folder = mutant.file.rpartition("/")[0] + "/"
            found = self._anywhere([file for file in self._project.files() if file.startswith(folder)])
        return found | self.lookers(mutant)

    def looks_everywhere(self, test: str) -> bool:
        """Its module is one of those that look at tables and defaults."""
        return test.partition("::")[0] in self._project.everywhere

    def lookers(self, mutant: Mutant) -> set[str]:
        """Who looks at what is made at import without running a line of it: at tables and the defaults of
        fields, and at a constant by its name."""
        if mutant.function is not None:
            return set()
        wanted = set(self._project.everywhere)
        constants = [
            one for one in names_made(self._project.read(mutant.file), mutant.line) if _CONSTANT.match(one)
        ]
        if constants:
            word = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(constants))) + r")\b")
            wanted |= {name for name in self.modules if word.search(self._test_text(name))}
        return {test for name in wanted if name in self.modules for test in self.modules[name].names}

    def _test_text(self, name: str) -> str:
        if name not in self._test_texts:
            self._test_texts[name] = self._project.read(name).decode()
        return self._test_texts[name]

    def _is_async(self, mutant: Mutant) -> bool:
        text = self._project.read(mutant.file).decode().splitlines()
        return mutant.function is not None and any(
            line.lstrip().startswith("async def ") for line in text[mutant.function[1] - 1 : mutant.line]
        )

    def acts_at_import(self, mutant: Mutant) -> bool:
        """Outside of functions, and in those that build a table when they are imported."""
        if mutant.function is None:
            return True
        lines = range(mutant.lines[0], mutant.lines[1] + 1)
        return any(
            self._then(module, mutant.file, lines) & set(module.imports.get(mutant.file, ()))
            for module in self.modules.values()
        )

    def shares(self, file: str) -> Counter[str]:
        """Test -> how many lines of that file it runs; of all files: the empty name."""
        if file not in self._shares:
            counts: Counter[str] = Counter()
            for module in self.modules.values():
                numbers: Counter[int] = Counter()
                for name in [file] if file else module.lines:
                    for tests in module.lines.get(name, {}).values():
                        numbers.update(tests)
                for number, lines in numbers.items():
                    counts[module.names[number]] += lines
            self._shares[file] = counts
        return self._shares[file]

    def _at(self, file: str, lines: Iterable[int]) -> set[str]:
        found: set[str] = set()
        wanted = list(lines)
        for module in self.modules.values():
            by_line = module.lines.get(file)
            if by_line is None:
                continue
            numbers = {test for line in self._then(module, file, wanted) for test in by_line.get(line, ())}
            found |= {module.names[number] for number in numbers}
        return found

    def _anywhere(self, files: list[str]) -> set[str]:
        return {test for file in files for test in self.shares(file)}

    def _then(self, module: Module, file: str, lines: Iterable[int]) -> set[int]:
        """Lines now -> lines when the map of that module was made. A new line counts as the
        one above it that was there."""
        then = module.sources.get(file, "")
        if (file, then) not in self._places:
            text = self._project.read(file).decode()
            self._places[file, then] = _moved(self._texts.get(then, ""), text)
        places = self._places[file, then]
        return {was for line in lines for was in places.get(line, ())}


def _moved(before: str, now: str) -> dict[int, list[int]]:
    """Line now -> lines before."""
    old, new = before.splitlines(), now.splitlines()
    places: dict[int, list[int]] = {}
    if old == new:
        return {line: [line] for line in range(1, len(new) + 1)}
    for what, first, last, now_first, now_last in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        for line in range(now_first, now_last):
            if what == "equal":
                places[line + 1] = [first + line - now_first + 1]
            elif what == "replace":
                places[line + 1] = list(range(first + 1, last + 1))
            else:
                places[line + 1] = [first]
    return places


def touched(project: Project, *, processes: int, anew: bool = False) -> Touched:
    """Read the map, and make what is missing of it."""
    path = project.cache / "touched.json"
    kept: dict[str, Any] = {"texts": {}, "modules": {}}
    if path.exists() and not anew:
        kept = json.loads(path.read_text())
    modules = {name: _module(data) for name, data in kept["modules"].items()}
    texts: dict[str, str] = kept["texts"]
    hashes = project.test_hashes()
    stale = [name for name, now in hashes.items() if name not in modules or modules[name].hash != now]
    if stale:
        print(f"which tests run which lines: {len(stale)} of {len(hashes)} test modules", file=sys.stderr)
        now = {file: project.read(file) for file in project.files()}
        texts |= {digest([text]): text.decode() for text in now.values()}
        modules |= dict(_measure(project, stale, hashes, processes))
    gone = modules.keys() - hashes.keys()
    modules = {name: module for name, module in modules.items() if name in hashes}
    if stale or gone:
        used = {one for module in modules.values() for one in module.sources.values()}
        texts = {key: text for key, text in texts.items() if key in used}
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {"texts": texts, "modules": {name: asdict(module) for name, module in modules.items()}}
        written = path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(data))
        written.replace(path)
    return Touched(project, modules, texts)


def _module(data: dict[str, Any]) -> Module:
    lines = {file: {int(line): tests for line, tests in by.items()} for file, by in data["lines"].items()}
    return Module(data["hash"], data["sources"], data["seconds"], lines, data["imports"])


def _measure(
    project: Project, names: list[str], hashes: dict[str, str], processes: int
) -> Iterator[tuple[str, Module]]:
    """In several processes, each with its share of the modules."""
    sources = {file: digest([project.read(file)]) for file in project.files()}
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
        found = {name: Module(hashes[name], sources, imports=measured["imports"]) for name in share}
        places: dict[str, tuple[Module, int]] = {}
        for test, taken in measured["seconds"].items():
            if (module := found.get(test.partition("::")[0])) is not None:
                places[test] = module, len(module.seconds)
                module.seconds[test] = taken
        for file, by_line in measured["lines"].items():
            for line, tests in by_line.items():
                for module, place in (places[test] for test in tests if test in places):
                    module.lines.setdefault(file, {}).setdefault(int(line), []).append(place)
        yield from found.items()


class _Clock:
    """Switches the context with each test, and takes its time. Tests that fail or
    are left out are no judges."""

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
