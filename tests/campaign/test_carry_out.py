"""Cells carried out on processes of this machine and on a cluster of it, killed in the middle, and gone on
with: none twice, none lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from iso15118.campaign import Cell, Journal, Result, carry_out, on_dask, on_processes, plan, read
from iso15118.campaign.work import DecodeWork, Done, FuzzWork, SessionWork, run_cell
from iso15118.errors import ConfigError
from iso15118.loopback import LoopbackSpec
from tests.cli.rig import iso15118

ROOT = Path(__file__).parents[2]
FILE = """
[campaign]
name = "few"
seeds = 2

[session]
soc_start = 79.9

[matrix]
edition = ["iso2", "din"]
fault = ["none", "cut"]

[[fault]]
name = "cut"

[[fault.step]]
side = "secc"
do = "cut"
cut = "reset"
when = { loops = 2 }

[fault.expect]
evcc = ["PEER_VANISHED"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "few.toml"
    path.write_text(FILE)
    return path


def here(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Done, float]]:
    """In this process, one after the other."""
    for cell in cells:
        assert cell.work is not None
        yield cell, run_cell(cell.work), 0.0


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()[1:]]


def told(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """All but how long it took."""
    return [(one.cell, one.axes, one.verdict, one.reasons, one.figures) for one in results]


def test_processes_come_to_the_same_as_one_after_the_other(file: Path, tmp_path: Path) -> None:
    cells = plan(read(file))
    with Journal(tmp_path / "one", "few") as journal:
        alone = carry_out(cells, journal, here)
    heard: list[Result] = []
    with Journal(tmp_path / "two", "few") as journal:
        both = carry_out(cells, journal, on_processes(2, longest_s=600.0), told=heard.append)
    assert told(alone) == told(both)
    assert [one.verdict for one in both] == ["pass"] * 8
    assert {one.cell for one in heard} == {cell.id for cell in cells}
    assert len(lines(tmp_path / "two")) == 8
    assert alone[0].figures["edition"] == "iso2"
    assert alone[2].figures["evcc_ended"] == "PEER_VANISHED"


def test_killed_in_the_middle_none_is_done_twice_and_none_is_lost(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "iso15118", "campaign", str(file), "--out", str(out), "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        while first.poll() is None and (not (out / "results.jsonl").exists() or not lines(out)):
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    before = lines(out)
    assert 1 <= len(before) < 8
    with (out / "results.jsonl").open("ab") as journal:
        journal.write(b'{"cell":"half of a l')  # as it stands when the disk got only a part
    printed = iso15118("campaign", str(file), "--out", str(out), "--workers", "1", "--json")
    assert printed.status == 0
    assert printed.data["verdicts"] == {"pass": 8}
    after = lines(out)
    assert after[: len(before)] == before
    assert Counter(line["cell"] for line in after) == dict.fromkeys((cell.id for cell in plan(read(file))), 1)


@pytest.mark.filterwarnings("ignore")  # of the cluster's own making
def test_a_cluster_comes_to_the_same(file: Path, tmp_path: Path) -> None:
    distributed: Any = pytest.importorskip("distributed", reason="pip install 'iso15118-stack[campaign]'")
    cells = plan(read(file))
    with Journal(tmp_path / "one", "few") as journal:
        alone = carry_out(cells, journal, here)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Journal(tmp_path / "two", "few") as journal,
    ):
        both = carry_out(cells, journal, on_dask(cluster.scheduler_address, longest_s=600.0))
    assert told(alone) == told(both)


def test_a_cluster_that_is_not_there_is_said_so(file: Path, tmp_path: Path) -> None:
    printed = iso15118("campaign", str(file), "--out", str(tmp_path / "out"), "--dask", "nonsense://x")
    assert "--dask: no scheduler at 'nonsense://x'" in printed.refusal


def test_more_cells_are_added_to_what_is_there(file: Path, tmp_path: Path) -> None:
    done: list[str] = []

    def counted(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Done, float]]:
        done.extend(cell.id for cell in cells)
        return here(cells)

    for text, new in ((FILE, 8), (FILE, 0), (FILE.replace("seeds = 2", "seeds = 3"), 4)):
        done.clear()
        file.write_text(text)
        with Journal(tmp_path / "out", "few") as journal:
            carry_out(plan(read(file)), journal, counted)
        assert len(done) == new


def test_a_journal_of_something_else_is_refused(tmp_path: Path) -> None:
    again = Journal(tmp_path, "one")
    with Journal(tmp_path, "one"), pytest.raises(ConfigError, match="another process is at work"), again:
        pass
    with pytest.raises(ConfigError, match="is of campaign 'one'"), Journal(tmp_path, "two"):
        pass
    with Journal(tmp_path, "two", afresh=True) as journal:
        assert journal.found == {}
    path = tmp_path / "results.jsonl"
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    with pytest.raises(ConfigError, match=r"results\.jsonl, line 2"), Journal(tmp_path, "two"):
        pass
    path.write_bytes(b"hello\n")
    with pytest.raises(ConfigError, match="no journal of a campaign"), Journal(tmp_path, "two"):
        pass


def test_a_session_that_does_not_end_as_ordered_is_a_failure() -> None:
    from iso15118.scenario import Expect, Scenario, Step, When

    session = LoopbackSpec(transport="memory", edition="din", soc_start=79.9)
    stopped = Scenario(session=session, steps=(Step(side="evcc", do="emergency", when=When(loops=1)),))
    assert run_cell(SessionWork(scenario=stopped, ordered=False)).verdict == "pass"
    failed = run_cell(SessionWork(scenario=stopped, ordered=True))
    assert failed.verdict == "fail"
    wrong = Scenario(session=session, expect=Expect(evcc=("TIMEOUT",)))
    assert run_cell(SessionWork(scenario=wrong, ordered=False)).reasons[0].startswith("evcc ended with")


def test_an_error_that_nobody_expected_is_a_failure_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("iso15118.campaign.work.run_scenario", broken)
    [reason] = run_cell(SessionWork(scenario=None, ordered=True)).reasons  # type: ignore[arg-type]
    assert reason.startswith("internal: ")


def test_fuzzing_is_the_same_for_the_same_seed_and_finds_a_decoder_that_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = LoopbackSpec(transport="memory", edition="din", soc_start=79.9)
    work = FuzzWork(session=session, seed=1, rounds=300)
    first = run_cell(work)
    assert first == run_cell(work)
    assert first != run_cell(FuzzWork(session=session, seed=2, rounds=300))
    assert first.verdict == "pass"
    assert first.figures["read"] > 0
    assert first.figures["refused"] > 0
    assert sum(count for key, count in first.figures.items() if key != "messages") == 300
    receive = "iso15118.channel.MessageChannel.receive_data"

    def breaks(self: object, data: bytes) -> list[object]:
        raise KeyError(data[0])

    monkeypatch.setattr(receive, breaks)
    found = run_cell(work)
    assert found.verdict == "fail"
    assert found.figures["found"] == 300
    assert "KeyError" in found.reasons[0]


def test_a_folder_of_captures_is_decoded_and_counted(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    iso15118(
        "loopback", "--transport", "memory", "--edition", "din", "--soc-start", "79.9", "--out", str(recorded)
    )
    captures = tmp_path / "captures"
    captures.mkdir()
    whole = (recorded / "session.pcapng").read_bytes()
    (captures / "whole.pcapng").write_bytes(whole)
    (captures / "cut.pcapng").write_bytes(whole[: len(whole) // 2 + 1])
    (captures / "other.log").write_text("nothing of interest\n")
    file = tmp_path / "all.toml"
    file.write_text('[campaign]\nof = "decode"\nfiles = ["captures"]\ndecoded = "decoded"\n')
    printed = iso15118("campaign", str(file), "--out", str(tmp_path / "out"), "--workers", "1", "--json")
    assert printed.status == 1
    assert printed.data["verdicts"] == {"pass": 1, "inconclusive": 1, "fail": 1}
    by_name = {line["axes"]["file"]: line for line in lines(tmp_path / "out")}
    figures = by_name["captures/whole.pcapng"]["figures"]
    assert set(figures["editions"]) == {"app", "din"} or "din" in figures["editions"]
    assert "up to packet" in by_name["captures/cut.pcapng"]["reasons"][0]
    kept = (tmp_path / "decoded" / "captures" / "whole.pcapng.jsonl").read_text().splitlines()
    assert len(kept) == figures["entries"]
    assert sum(json.loads(line)["layer"] == "message" for line in kept) == figures["messages"]
    direct = iso15118("decode", "--json", str(captures / "whole.pcapng"))
    assert direct.out.splitlines() == kept
    page = (tmp_path / "out" / "matrix.html").read_text()
    assert "captures/whole.pcapng" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_capture_that_is_not_where_the_cell_runs_is_an_error() -> None:
    done = run_cell(DecodeWork(path="/nowhere/x.pcap"))
    assert (done.verdict, "a shared folder" in done.reasons[0]) == ("error", True)


def test_the_page_escapes_what_a_file_says(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    name = "<script>alert(1)</script>"
    file.write_text(
        FILE.replace('"few"', f'"{name}"').replace('"cut"]', f'"{name}"]').replace('name = "cut"', f'name = "{name}"')
        .replace('"PEER_VANISHED"', '"TIMEOUT"').replace("seeds = 2", "seeds = 1").replace('"iso2", ', "")
    )  # fmt: skip
    printed = iso15118("campaign", str(file), "--out", str(tmp_path / "out"), "--workers", "1")
    assert printed.status == 1
    page = (tmp_path / "out" / "matrix.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_plan_alone_runs_nothing(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = iso15118("campaign", str(file), "--plan")
    assert printed.status == 0
    assert len(printed.out.splitlines()) == 8
    assert not (tmp_path / "campaign-few").exists()
