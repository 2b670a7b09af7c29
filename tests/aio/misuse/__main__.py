"""``python -m tests.aio.misuse --all [--role secc|evcc] [--seed N]``: tries the cases, prints
what was found and the counts.

Each failure is one line that ``--case LINE`` tries again alone. What fails is tried twice before it
counts: the machine may be busy.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable

from tests import clock

from .cases import Case, all_cases, case_of, sample
from .families import ISO20, OLDER, Family
from .interpreters import tests_with
from .trial import Outcome, trial

HANGS_S = 60.0
"""Of the time of this process, or ten times that of the real clock: a case that takes longer keeps the
thread, and no other one is tried after it. On a busy machine the real clock alone says nothing."""
LOOK_S = 5.0
KINDS = ("unsafe", "dishonest", "stuck", "blamed", "unserved", "unseen")


def attempt(case: Case, loop: str = "steady", edition: str = ISO20) -> Outcome:
    """Try one case in a loop of its own, of this kind, in sessions of this edition."""
    out = Outcome(case)
    over = threading.Event()
    threading.Thread(target=_watch, args=(case, over), name="misuse watchdog", daemon=True).start()
    try:
        if loop == "steady":
            clock.run(trial(case, out, edition), real=case.way.threads)
        else:
            with asyncio.Runner(loop_factory=factory(loop)) as runner:
                runner.run(trial(case, out, edition))
    except (KeyboardInterrupt, SystemExit) as error:
        if not case.way.ends_program:
            out.add("unseen", f"the program ended by {type(error).__name__}")
    except BaseException as error:
        out.add("unseen", f"the trial raised {type(error).__name__}: {error}")
    finally:
        over.set()
    return out


def _watch(case: Case, over: threading.Event) -> None:
    until, worked_until = time.monotonic() + 10.0 * HANGS_S, time.process_time() + HANGS_S
    while not over.wait(LOOK_S):
        if time.monotonic() > until or time.process_time() > worked_until:
            _hangs(case)


def factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes loops of this kind, which run on real time."""
    if loop == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    if loop == "eager":

        def eager() -> asyncio.AbstractEventLoop:
            made = asyncio.new_event_loop()
            made.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # from Python 3.12 on
            return made

        return eager
    return asyncio.new_event_loop


def _hangs(case: Case) -> None:
    faulthandler.dump_traceback(all_threads=True)
    sys.stdout.write(json.dumps({"failed": str(case), "kind": "stuck", "what": "it hangs"}) + "\n")
    sys.stdout.flush()
    os._exit(1)


def run(cases: Iterable[Case], loop: str = "steady", edition: str = ISO20) -> Counter[str]:
    """Try these; failures as lines of JSON. Gives the counts."""
    counts: Counter[str] = Counter()
    for number, case in enumerate(cases):
        out = attempt(case, loop, edition)
        if out.problems:
            out = attempt(case, loop, edition)
        counts["cases"] += 1
        counts["hit"] += out.hit
        counts["refused"] += out.refused
        for kind in {kind for kind, _ in out.problems}:
            counts[kind] += 1
        for kind, what in dict.fromkeys(out.problems):
            print(json.dumps({"failed": str(case), "kind": kind, "what": what}), flush=True)
        if number % 20 == 0:
            gc.collect()
    return counts


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.aio.misuse", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--sample", type=int, default=250, help="so many cases, without --all")
    parser.add_argument("--role", choices=("secc", "evcc"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", help="one case, as it was printed")
    parser.add_argument("--only", default="", help="cases with this in their line")
    parser.add_argument("--family", choices=[one.name.lower() for one in Family], help="those of this plant")
    parser.add_argument(
        "--edition", choices=[ISO20, *OLDER], default=ISO20, help="an older one: the families that it has"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--loop", choices=("steady", "asyncio", "eager", "uvloop"), default="steady")
    parser.add_argument(
        "--python", metavar="VERSION", help="run the tests of the drivers with this interpreter"
    )
    parser.add_argument("tests", nargs="*", help="with --python: these only")
    parser.add_argument("--shard", default="0/1", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.python:
        return tests_with(given.python, given.tests)
    roles = (given.role,) if given.role else ("secc", "evcc")
    cases = (
        [case_of(given.case)]
        if given.case
        else [case for case in all_cases(roles) if given.only in str(case)]
    )
    if given.family:
        cases = [case for case in cases if case.family is Family[given.family.upper()]]
    if given.edition != ISO20:
        cases = [case for case in cases if case.family in OLDER[given.edition]]
    if not given.all and not given.case:
        cases = sample(cases, given.sample, given.seed)
    began = time.monotonic()
    if given.jobs > 1:
        counts = _in_processes(sys.argv[1:] if arguments is None else arguments, given.jobs)
    else:
        shard, shards = map(int, given.shard.split("/"))
        logging.getLogger("iso15118").setLevel(logging.CRITICAL + 1)
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # coroutines that nobody awaits are among the cases
            counts = run(cases[shard::shards], given.loop, given.edition)
            gc.collect()
    print(json.dumps({"counts": counts, "seconds": round(time.monotonic() - began, 1)}), flush=True)
    return 1 if any(counts[kind] for kind in KINDS) else 0


def _in_processes(arguments: list[str], jobs: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.aio.misuse", *arguments, "--jobs", "1"]
    running = [
        subprocess.Popen([*command, "--shard", f"{number}/{jobs}"], stdout=subprocess.PIPE, text=True)
        for number in range(jobs)
    ]
    counts: Counter[str] = Counter()
    for process in running:
        out, _ = process.communicate()
        for line in out.splitlines():
            said = json.loads(line)
            if "counts" in said:
                counts.update(said["counts"])
            else:
                print(line, flush=True)
                counts[said["kind"]] += said["what"] == "it hangs"
    return counts


if __name__ == "__main__":
    sys.exit(main())
