"""The report: well-formed, complete, without anything from elsewhere, and deaf to what a peer writes into it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import MessageHeader, Processing, ResponseCode
from iso15118.messages.values import rational
from iso15118.trace import Recorder, report
from iso15118.trace.plots import TimeAxis, number, plot, ticks
from iso15118.trace.recorder import EXCHANGES_KEPT, STATES_KEPT, Series

HEADER = MessageHeader(session_id=bytes(8), time_stamp=1)
HOSTILE = "<script>alert(1)</script>\"'&\x00\x1b[31m"


def pre_charge(volts: float) -> dc.DCPreChargeRes:
    return dc.DCPreChargeRes(
        header=HEADER, response_code=ResponseCode.OK, evse_present_voltage=rational(volts)
    )


def request() -> dc.DCWeldingDetectionReq:
    return dc.DCWeldingDetectionReq(header=HEADER, ev_processing=Processing.Ongoing)


def recorded() -> Recorder:
    recorder = Recorder()
    recorder.state("evcc", "DC_PreCharge", 9.5)
    for index in range(10):
        recorder.message("secc", pre_charge(40.0 * index), 10.0 + index)
    recorder.state("evcc", "Ended", 19.0)
    return recorder


def parsed(page: str) -> Any:
    """As a browser reads it, and without a single error."""
    parser = etree.HTMLParser()
    tree = etree.fromstring(page, parser)
    # libxml2 knows the tags of HTML 4 only.
    errors = [
        error.message for error in parser.error_log if not re.fullmatch(r"Tag \w+ invalid", error.message)
    ]
    assert errors == []
    return tree


def drawn(page: str) -> list[Any]:
    """Each drawing, as the XML that it is."""
    return [etree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.S)]


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = report(recorded(), {"result": "ok", "detail": HOSTILE}, failure=HOSTILE)
    tree = parsed(page)
    assert tree.xpath("//script | //link | //img | //iframe | //*[@src] | //*[@href]") == []
    assert tree.xpath("//@*[starts-with(name(), 'on')]") == []
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none';")


@given(st.text(), st.text())
def test_whatever_a_peer_writes_stays_text(one: str, other: str) -> None:
    recorder = recorded()
    recorder.state("evcc", one + HOSTILE, 12.0)
    page = report(recorder, {"result": HOSTILE, "detail": one, "deep": {HOSTILE: [other]}}, failure=other)
    assert "<script" not in page
    assert "\x00" not in page
    assert "\x1b" not in page
    assert len(drawn(page)) >= 2


def test_a_recorded_value_stands_in_the_page_where_it_belongs() -> None:
    page = report(recorded(), {"result": "ok", "peak_power_kw": 12.5, "tls": {"version": "TLSv1.3"}})
    tree = parsed(page)
    assert tree.xpath("//div[@class='tile'][span='Peak power']/b/text()") == ["12.5"]
    assert tree.xpath("//tr[td='tls.version']/td[2]/text()") == ["TLSv1.3"]
    (row,) = tree.xpath("//tr[td='DCPreCharge']")
    assert [cell.text for cell in row] == [
        "0.00 s",
        "9.00 s",
        "DCPreCharge",
        "0",
        "OK \N{MULTIPLICATION SIGN}10",
    ]
    titles = [title.text for svg in drawn(page) for title in svg.iter("title")]
    assert "DC_PreCharge, from 0.00 s for 9.00 s" in titles
    assert "3.00 s: 120 V" in titles


def test_a_failed_run_says_so_and_why() -> None:
    page = report(recorded(), {}, failure="TlsError: refused")
    assert "✗ failed" in page
    assert "TlsError: refused" in page
    assert "✓" not in page
    assert "✓" not in report(recorded(), {"result": "ok"}, failure="SafetyViolation: late")


def test_a_run_in_which_nothing_was_said_has_a_report_too() -> None:
    page = report(Recorder(), {}, failure="LinkError: nobody there")
    parsed(page)
    assert "nobody there" in page
    assert drawn(page) == []


def test_requests_without_an_answer_are_told() -> None:
    recorder = Recorder()
    recorder.message("evcc", request(), 0.0)
    assert "1 without an answer" in report(recorder, {})


def test_the_record_is_bounded_and_says_what_it_left_out() -> None:
    recorder = Recorder()
    for index in range(EXCHANGES_KEPT + 10):
        recorder.message("evcc", request() if index % 2 else pre_charge(1.0), float(index))
        recorder.state("evcc", "x", float(index))
    assert len(recorder.exchanges) == EXCHANGES_KEPT
    assert len(recorder.states["evcc"]) == STATES_KEPT
    assert "10 further messages" in report(recorder, {})


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(-5e6, 5e6)), min_size=1, max_size=50),
    st.sampled_from(["V", "A", "kW", "%"]),
    st.booleans(),
)
def test_every_series_can_be_drawn_within_its_frame(
    points: list[tuple[float, float]], unit: str, steps: bool
) -> None:
    series = Series("Quantity", unit)
    for time, value in sorted(points):
        series.add(time, value)
    axis = TimeAxis(series.times[0], series.times[-1])
    svg: Any = etree.fromstring(plot(series, axis, steps=steps))
    _, _, width, height = map(float, svg.get("viewBox").split())
    (path,) = svg.xpath("//*[@class='line']/@d")
    numbers = [float(found) for found in re.findall(r"-?[\d.]+", path)]
    assert all(-0.5 <= value <= max(width, height) for value in numbers)
    ys = [float(y) for y in re.findall(r"(?: |V)(-?[\d.]+)", path)]
    assert all(0.0 <= y <= height for y in ys)


def test_a_long_series_is_thinned_but_keeps_its_peaks() -> None:
    series = Series("Current", "A")
    for index in range(50_000):
        series.add(index / 10.0, 1000.0 if index == 31_415 else 10.0)
    drawing = plot(series, TimeAxis(0.0, 5000.0))
    assert drawing.count("L") < 4 * 960
    (path,) = re.findall(r'class="line" d="([^"]*)"', drawing)
    highest = min(float(y) for y in re.findall(r" (-?[\d.]+)", path))
    assert highest < 30.0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 10.0, [0, 5, 10]), (-600.0, 1000.0, [-500, 0, 500, 1000]), (0.0, 0.3, [0, 0.1, 0.2, 0.3])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 4) == pytest.approx(expected)


def test_numbers_are_written_for_people() -> None:
    assert [number(value) for value in (0.0, 12.5, 6683, -0.5)] == [
        "0",
        "12.5",
        "6\N{NARROW NO-BREAK SPACE}683",
        "-0.5",
    ]
