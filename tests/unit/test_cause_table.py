"""The table of causes: whole, current in the documentation, and what is derived from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iso15118.session import __main__ as printing
from iso15118.session import causes
from iso15118.session.actions import EndReason
from iso15118.session.causes import CAUSES, UNVERIFIED_MREC, Side, cause_of, cause_of_fault, refined
from iso15118.session.edition import Fault
from iso15118.session.ends import then

ROOT = Path(__file__).parents[2]


def test_the_page_is_that_of_the_table() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "iso15118.session", "--causes"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    page = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    assert page == made.stdout, "run python -m iso15118.session --causes > docs/causes.md"
    assert all(f"`{code}`" in page for code in CAUSES)


def test_the_command_prints_the_page_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["iso15118.session", "--causes"])
    assert printing.main() == 0
    assert capsys.readouterr().out == page == printing.page()
    monkeypatch.setattr(sys, "argv", ["iso15118.session"])
    with pytest.raises(SystemExit) as ended:
        printing.main()
    assert ended.value.code == 2
    assert "--causes" in capsys.readouterr().err


ROW = "some-code | TIMEOUT | evcc | - | V2G20-1 V2G2-2 | CX001\n    What it means.\n    What to try.\n"


def test_a_row_of_the_table_is_read_cell_by_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ROW.replace("some", "other").replace("| - | V2G20-1 V2G2-2 | CX001", "| V2G_Timer | - | -")
    monkeypatch.setattr(causes, "TABLE", f"# a remark\n\n{ROW}\n# another\n{other}")
    table = causes._table()
    assert list(table) == ["some-code", "other-code"]
    some, more = table["some-code"], table["other-code"]
    assert (some.reason, some.side) == (EndReason.TIMEOUT, Side.EVCC)
    assert (some.timer, some.requirements, some.mrec) == ("", ("V2G20-1", "V2G2-2"), "CX001")
    assert (some.meaning, some.hint) == ("What it means.", "What to try.")
    assert (more.timer, more.requirements, more.mrec) == ("V2G_Timer", (), "")


@pytest.mark.parametrize(
    "table",
    [
        ROW + ROW,
        ROW.replace("    What it", "What it"),
        ROW.replace("    What to", "What to"),
        ROW.replace("    What to try.\n", ""),
    ],
)
def test_a_table_that_is_none_is_noticed_when_it_is_read(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    monkeypatch.setattr(causes, "TABLE", table)
    with pytest.raises(ValueError, match=r"some-code|argument"):
        causes._table()


def test_rows_say_something_and_requirements_look_like_some() -> None:
    for cause in CAUSES.values():
        assert cause.meaning
        assert cause.hint
        assert all(one.startswith(("V2G20-", "V2G2-", "V2G-DC-")) for one in cause.requirements)
        assert not cause.mrec or (cause.mrec.startswith("CX0") and 1 <= int(cause.mrec[3:]) <= 26)
        assert not cause.timer or cause.timer.startswith("V2G_")


def test_codes_of_a_stations_report_are_those_that_public_sources_describe() -> None:
    """As EVerest maps them: what is told to a backend has to mean there what it means here."""
    known = {1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 14, 15, 17, 18, 19, 20, 22, 23, 24, 25, 26}
    used = {cause.mrec for cause in CAUSES.values()} - {""}
    assert {code for code in used if int(code[2:]) not in known} == UNVERIFIED_MREC
    page = (ROOT / "docs" / "causes.md").read_text(encoding="utf-8")
    assert all(f"| {code}? |" in page for code in UNVERIFIED_MREC)
    assert not any(f"| {code}? |" in page for code in used - UNVERIFIED_MREC)
    codes = {
        code: CAUSES[code].mrec
        for code in ("pilot-fault", "pilot-left-c", "voltage-after-end", "peer-vanished")
    }
    assert codes == {
        "pilot-fault": "CX014",  # out of range
        "pilot-left-c": "CX010",  # a mode that is not to be charged in
        "voltage-after-end": "CX024",  # at the output, before or after a charge
        "peer-vanished": "",  # none is of the connection with a vehicle
    }


def test_a_reason_alone_has_its_first_row_and_says_so_by_nothing() -> None:
    for reason in EndReason:
        first = cause_of(reason)
        assert first.reason is reason
        assert refined(reason, first.code) == ""
        assert cause_of(reason, "no-such-cause") is first
    assert refined(EndReason.HARDWARE_FAULT, rule="over-voltage") == "over-voltage"
    assert refined(EndReason.HARDWARE_FAULT, "no-such-cause") == ""


def test_the_requirement_is_that_of_the_edition() -> None:
    cause = CAUSES["sequence-timeout"]
    assert cause.requirement("iso20") == "[V2G20-443]"
    assert cause.requirement("iso2") == "[V2G2-443]"
    assert cause.requirement("") == "[V2G20-443] [V2G2-443]"
    assert CAUSES["unknown-session"].requirement("din") == "[V2G-DC-391]"
    assert cause.timer == "V2G_SECC_Sequence_Timeout"


def test_sides_are_those_of_whoever_says_so() -> None:
    assert [Side.OWN.of("secc"), Side.PEER.of("secc"), Side.PEER.of("evcc")] == ["secc", "evcc", "secc"]
    assert [side.of("evcc") for side in (Side.EVCC, Side.SECC, Side.LINK)] == ["evcc", "secc", "link"]


def test_a_fault_is_a_cause_only_of_the_end_that_it_explains() -> None:
    assert cause_of_fault(EndReason.PARAMETERS_NOT_ACCEPTED, Fault.SCHEDULE) == "schedule-not-offered"
    assert cause_of_fault(EndReason.INTERNAL_ERROR, Fault.SCHEDULE) == ""
    assert cause_of_fault(EndReason.SEQUENCE_ERROR, Fault.SEQUENCE) == ""


def test_a_cause_that_two_ends_name_is_told_once() -> None:
    left = "control pilot left C under power"
    assert then(left, left) == left
    assert then(f"the vehicle: {left}", left) == f"the vehicle: {left}"
    assert then("a", "b") == "a; then b"
    assert then("a; then b", "b") == "a; then b"
    assert (then("", "b"), then("a", "")) == ("b", "a")
