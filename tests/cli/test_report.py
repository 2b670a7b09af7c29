"""``report``, ``diff`` and ``anonymize`` on the command line: what they print and
write, and what they refuse."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from iso15118.trace.report.page import MARKER
from tests.cli.rig import iso15118
from tests.trace.made import pcap, pcapng_file
from tests.trace.report.faults import good_session
from tests.trace.report.seeded import Spoken, captured


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def capture(name: str = "good.pcapng") -> str:
    Path(name).write_bytes(pcapng_file(captured(good_session("iso20")).frames))
    return name


def failed(name: str = "bad.pcap") -> str:
    events = good_session("iso20").events[:-60]
    made = captured(Spoken([*events, (events[-1][0] + 0.05, False, "reset")]))
    Path(name).write_bytes(pcap(made.frames))
    return name


def test_a_session_that_went_well_is_told_in_words_and_written_as_a_page() -> None:
    printed = iso15118("report", capture())
    assert printed.status == 0
    assert printed.out.startswith("ok: the session was stopped in order\n")
    assert "good.pcapng.report.html" in printed.err
    assert MARKER in Path("good.pcapng.report.html").read_text()
    assert iso15118("report", "good.pcapng").status == 0, "a report may be replaced by another"


def test_a_session_that_failed_says_why_and_exits_with_1() -> None:
    printed = iso15118("report", failed(), "--out", "page.html")
    assert printed.status == 1
    for part in ("side:        the station", "connection-reset", "try: ", "before: "):
        assert part in printed.out
    assert Path("page.html").stat().st_mode & 0o077 == 0


def test_json_has_the_keys_of_the_contract() -> None:
    printed = iso15118("report", failed(), "--json")
    assert printed.status == 1
    assert printed.data["verdict"] == "failed"
    assert set(printed.data["cause"]) >= {
        "rule", "side", "message", "expected", "seen", "requirement", "confidence"
    }  # fmt: skip
    assert printed.data["trust"] == []
    assert not list(Path().glob("*.html")), "a page only where one is asked for"


def test_a_message_alone_cannot_be_judged() -> None:
    printed = iso15118("report", "01fe80010000000e809a004011d01800608c44000000", "--json")
    assert printed.status == 6
    assert printed.data["verdict"] == "undecidable"
    assert printed.data["cause"] is None
    assert {one["code"] for one in printed.data["trust"]} == {"text"}


def test_stdin_and_a_log_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(capture()).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert iso15118("report", "-", "--json").data["verdict"] == "ok"


def test_what_is_no_report_is_not_overwritten() -> None:
    Path("good.pcapng.report.html").write_text("precious")
    refusal = iso15118("report", capture())
    assert refusal.status == 2
    assert "--out" in refusal.err
    assert Path("good.pcapng.report.html").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "nothing.pcap"), "there is no such file"),
        (("report", "."), "has neither session.pcapng nor session.jsonl"),
        (("report", "x" * 5000), "neither a file"),
        (("report", "good.pcapng", "--out", "missing/page.html"), "--out"),
        (("report", "good.pcapng", "--keylog", "nothing"), "--keylog"),
        (("diff", "good.pcapng", "."), "has neither"),
        (("anonymize", "good.pcapng", "good.pcapng"), "is there already"),
        (("anonymize", ".", "new"), "has neither"),
        (("anonymize", "good.pcapng", "new", "--key", "short"), "16 or more"),
        (("anonymize", "good.pcapng", "missing/new"), "OUT"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(arguments: tuple[str, ...], said: str) -> None:
    capture()
    Path("short").write_bytes(b"short")
    printed = iso15118(*arguments)
    assert printed.status == 2
    assert said in printed.err
    assert "Traceback" not in printed.err


def test_a_folder_is_reported_compared_and_anonymized() -> None:
    run = iso15118(
        "loopback",
        "--transport",
        "memory",
        "--soc-target",
        "21",
        "--power-kw",
        "300",
        "--out",
        "run",
        "--json",
    )
    assert run.status == 0, run.err
    printed = iso15118("report", "run", "--json")
    assert printed.status == 0
    (session,) = printed.data["sessions"]
    assert session["exchanges"] == run.data["exchanges"]
    assert session["energy"]["charged_wh"] / 1000.0 == pytest.approx(run.data["energy_charged_kwh"], rel=0.05)
    assert iso15118("diff", "run", "run").status == 0

    made = iso15118("anonymize", "run", "given")
    assert made.status == 0, made.err
    assert {one.name for one in Path("given").iterdir()} == {
        "session.jsonl",
        "session.pcapng",
        "summary.json",
        "report.html",
    }
    again = iso15118("report", "given", "--json")
    assert again.data["verdict"] == "ok"
    assert again.data["sessions"][0]["exchanges"] == run.data["exchanges"]
    mine = {one["value"] for one in session["identities"] if one["name"] != "protocol"} | set(
        session["session_ids"]
    )
    everything = b"".join(one.read_bytes() for one in Path("given").iterdir()).decode("latin-1")
    assert mine
    assert [one for one in mine if one in everything and not one.startswith("[")] == []
    difference = iso15118("diff", "run", "given", "--json")
    assert difference.out == "", "values, messages and order are the same"


def test_a_difference_is_a_line_and_an_exit_status() -> None:
    printed = iso15118("diff", capture(), failed())
    assert printed.status == 1
    assert "only in A  SessionStop" in printed.out
    lines = [
        json.loads(line) for line in iso15118("diff", "good.pcapng", "bad.pcap", "--json").out.splitlines()
    ]
    assert {"kind", "message", "path", "a", "b", "times"} <= lines[0].keys()


def test_the_same_key_makes_the_same_pseudonyms() -> None:
    capture()
    Path("key").write_bytes(bytes(range(32)))
    for name in ("one", "two"):
        assert iso15118("anonymize", "good.pcapng", name, "--key", "key").status == 0
    assert Path("one").read_bytes() == Path("two").read_bytes()
    assert iso15118("anonymize", "good.pcapng", "three").status == 0
    assert Path("one").read_bytes() != Path("three").read_bytes()
    assert Path("one").stat().st_mode & 0o077 == 0
