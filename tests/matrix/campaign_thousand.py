"""The campaign of a thousand loopbacks on two processes and on a local Dask cluster of two workers, each
once undisturbed and once killed in the middle and gone on with: four times the same results.

``python -m tests.matrix.campaign_thousand [FILE] [--out DIR]`` runs the commands as users do, prints a line
for each run, and what is wrong. Exit status 1 if a cell was done twice or is missing, if results
differ, if a process stayed, or if a cell did not pass. It takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from iso15118.campaign import plan, read

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "campaigns" / "thousand.toml"
BIN = Path(sys.executable).parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
PATIENCE_S = 60.0
"""For a process to begin or to end; nothing else here depends on the clock."""
SHARES = (0.3, 0.6)
"""Of the cells that are in the journal when the command is killed, once and again."""


class FoundError(Exception):
    """What must not be."""


def lines(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the journal but the first, which is its head."""
    path = folder / "results.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.split(b"\n")[1:]]


def by_cell(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What came of each cell, without how long it took."""
    return {one["cell"]: {key: value for key, value in one.items() if key != "seconds"} for one in results}


def command(file: Path, out: Path, how: list[str]) -> list[str]:
    """One ``iso15118 campaign``."""
    return [sys.executable, "-m", "iso15118", "campaign", str(file), "--out", str(out), "--json", *how]


def to_the_end(words: list[str]) -> tuple[dict[str, Any], str]:
    """Its summary and what it says on stderr."""
    done = subprocess.run(words, env=ENV, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FoundError(f"exit status {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return json.loads(done.stdout), done.stderr


def killed(words: list[str], out: Path, at: int) -> int:
    """Kill the command when ``at`` cells are in its journal; how many are when its processes have ended."""
    with subprocess.Popen(
        words, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as one:
        while len(lines(out)) < at:
            if one.poll() is not None:
                raise FoundError(f"it ended with {one.returncode} before {at} cells were done")
            time.sleep(0.05)
        one.send_signal(signal.SIGKILL)
    until = time.monotonic() + PATIENCE_S
    while group_lives(one.pid):
        if time.monotonic() > until:
            os.killpg(one.pid, signal.SIGKILL)
            raise FoundError("processes of the killed command are at work on their own")
        time.sleep(0.05)
    return len(lines(out))


def group_lives(group: int) -> bool:
    """Some process of this group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def undisturbed(name: str, file: Path, out: Path, how: list[str]) -> dict[str, Any]:
    """The campaign in one go."""
    began = time.monotonic()
    summary, _ = to_the_end(command(file, out, how))
    found = lines(out)
    spent = sum(one["seconds"] for one in found)
    told(name, f"{summary['verdicts']}, {time.monotonic() - began:.0f} s, cells {spent:.0f} s")
    return checked(found, file)


def interrupted(name: str, file: Path, out: Path, how: list[str]) -> dict[str, Any]:
    """Killed twice, and gone on with to the end. What was in the journal stays there as it was."""
    cells, words, before = len(plan(read(file))), command(file, out, how), list[dict[str, Any]]()
    for share in SHARES:
        count = killed(words, out, max(1, int(cells * share)))
        after = lines(out)
        if after[: len(before)] != before:
            raise FoundError("the journal has lost what was in it")
        if count >= cells:
            raise FoundError("it was done before it could be killed")
        before = after
        told(name, f"killed with {count} of {cells} cells done")
    summary, stderr = to_the_end(words)
    found = lines(out)
    if not (said := re.search(r"(\d+) of \d+ cells are in", stderr)) or int(said[1]) != len(before):
        raise FoundError(f"{len(before)} cells were there, and it said: {stderr}")
    if found[: len(before)] != before:
        raise FoundError("the journal has lost what was in it")
    told(name, f"{summary['verdicts']}, {len(found) - len(before)} of them after the last kill")
    return checked(found, file)


def checked(found: list[dict[str, Any]], file: Path) -> dict[str, Any]:
    """By cell. Raises ``FoundError`` for one that is there twice or not at all."""
    counted = Counter(one["cell"] for one in found)
    wanted = {cell.id for cell in plan(read(file))}
    twice = [cell for cell, count in counted.items() if count > 1]
    if twice or set(counted) != wanted:
        raise FoundError(f"{len(twice)} cells twice, {len(wanted - set(counted))} missing: {twice[:3]}")
    return by_cell(found)


@contextmanager
def dask() -> Iterator[str]:
    """A scheduler and two workers, by the command that the docs name; the scheduler's address."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address_file = folder / "scheduler.json"
        words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        stack.enter_context(beside([*words, "--scheduler-file", str(address_file)]))
        until = time.monotonic() + PATIENCE_S
        while not address_file.exists() or not address_file.read_text().strip():
            if time.monotonic() > until:
                raise FoundError("no scheduler")
            time.sleep(0.1)
        address = str(json.loads(address_file.read_text())["address"])
        for number in (1, 2):
            local = ["--local-directory", str(folder / str(number)), "--no-dashboard"]
            stack.enter_context(beside(["worker", address, "--nthreads", "1", *local]))
        yield address


@contextmanager
def beside(words: list[str]) -> Iterator[None]:
    """``dask`` with these words, until the end of the block."""
    with subprocess.Popen(
        [str(BIN / "dask"), *words], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def told(name: str, text: str) -> None:
    """A line for people."""
    print(f"{name}: {text}", flush=True)


def run(file: Path, out: Path) -> None:
    """All four. Raises ``FoundError``."""
    with dask() as address:
        ways = {"two processes": ["--workers", "2"], "two Dask workers": ["--dask", address]}
        first: dict[str, Any] = {}
        for way, how in ways.items():
            for kind, function in (("undisturbed", undisturbed), ("killed", interrupted)):
                name = f"{way}, {kind}"
                results = function(name, file, out / name.replace(" ", "-").replace(",", ""), how)
                first = first or results
                differ = [cell for cell in first if first[cell] != results[cell]]
                if differ:
                    raise FoundError(
                        f"{name}: {len(differ)} results differ, such as {first[differ[0]]} and {results[differ[0]]}"
                    )
    told("all", f"{len(first)} cells four times with the same results, none twice, none lost")


def main() -> int:
    """Run, and say what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix.campaign_thousand", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    parser.add_argument("--out", type=Path, help="folder for the journals and pages; it must be empty")
    asked = parser.parse_args()
    with ExitStack() as stack:
        out = asked.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            run(asked.file, out)
        except FoundError as wrong:
            print(f"wrong: {wrong}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
