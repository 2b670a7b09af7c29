"""Processes for work: what dies or hangs costs its own piece, and no process is left."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from iso15118.aio.workers import on_workers
from iso15118.errors import LinkError


def work(what: str) -> str:
    kind, _, value = what.partition(" ")
    match kind:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            sys.exit(3)
        case "hang":
            time.sleep(3600.0)
        case "pid":
            return str(os.getpid())
        case "make":
            Path(value).touch()
        case "wait":  # for another piece, or until it is ended
            while not Path(value).exists():
                time.sleep(0.01)
    return value


def test_every_item_has_its_value() -> None:
    items = [f"say {number}" for number in range(20)]
    done = list(on_workers(work, items, count=2, longest_s=600.0))
    assert {one.item: one.value for one in done} == {item: item[4:] for item in items}
    assert [one.problem for one in done] == [""] * 20


def test_one_that_dies_or_hangs_costs_its_own_item() -> None:
    items = ["say a", "die", "say b", "exit", "hang", "say c", "say d"]
    done = {one.item: one for one in on_workers(work, items, count=2, longest_s=3.0)}
    assert set(done) == set(items)
    assert [done[f"say {one}"].value for one in "abcd"] == list("abcd")
    assert done["die"].problem == "its process died: signal SIGKILL"
    assert "its process died: " in done["exit"].problem
    assert done["hang"].problem == "it took longer than 3 s"


def test_one_that_died_is_replaced_while_the_others_are_busy(tmp_path: Path) -> None:
    made = tmp_path / "made"
    items = [f"wait {made}", "die", f"make {made}"]
    done = {one.item: one for one in on_workers(work, items, count=2, longest_s=60.0)}
    assert {item[:4]: one.problem for item, one in done.items()} == {
        "wait": "",
        "die": "its process died: signal SIGKILL",
        "make": "",
    }


def test_whoever_stops_listening_leaves_no_process() -> None:
    running = on_workers(work, ["pid"] * 50, count=2, longest_s=600.0)
    pids = {int(next(running).value or 0) for _ in range(10)}
    running.close()  # type: ignore[attr-defined]
    assert pids
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_a_process_that_cannot_begin_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_in_parents.py").write_text(
        f"import os\nif os.getpid() != {os.getpid()}:\n    raise SystemExit(7)\ndef work(what): return what\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    function = importlib.import_module("only_in_parents").work
    with pytest.raises(LinkError, match="did not start: exit status 7"):
        list(on_workers(function, ["x"], count=1, longest_s=600.0))


def test_nothing_to_do_starts_nothing() -> None:
    assert list(on_workers(work, [], count=4, longest_s=1.0)) == []
