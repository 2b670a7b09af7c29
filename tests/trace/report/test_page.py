"""The page: well-formed, complete, without anything from elsewhere, and deaf to
what a peer writes into it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from iso15118.trace.entries import CaptureFacts
from iso15118.trace.report.drawing import TimeAxis, chart, number, ticks
from iso15118.trace.report.model import (
    Confidence,
    Finding,
    Identity,
    Line,
    Report,
    Series,
    Session,
    Span,
    Trust,
    Verdict,
)
from iso15118.trace.report.page import page

from .faults import session
from .seeded import Spoken, captured, report_on, spoken_by

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00\x1b[31m\u202e"


def parsed(text: str) -> Any:
    """As a browser reads it, and without a single error."""
    parser = etree.HTMLParser()
    tree = etree.fromstring(text, parser)
    # libxml2 knows the tags of HTML 4 only.
    errors = [
        error.message for error in parser.error_log if not re.fullmatch(r"Tag \w+ invalid", error.message)
    ]
    assert errors == []
    return tree


def drawn(text: str) -> list[Any]:
    """Each drawing, as the XML that it is."""
    return [etree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.S)]


def harmless(text: str) -> Any:
    """Nothing in it acts or loads."""
    tree = parsed(text)
    assert tree.xpath("//script | //link | //img | //iframe | //form | //*[@src] | //*[@href]") == []
    assert tree.xpath("//@*[starts-with(name(), 'on')]") == []
    for wrong in ("url(", "@import", "\x00", "\x1b", "\u202e"):
        assert wrong not in text
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none';")
    return tree


@cache
def good() -> Report:
    return report_on(captured(spoken_by(session("iso20")), tls="TLSv1.3"))


@cache
def bad() -> Report:
    """The station resets the connection in the charge loop."""
    events = spoken_by(session("iso20")).events
    cut = events[:-60]
    return report_on(captured(Spoken([*cut, (cut[-1][0] + 0.05, False, "reset")])))


def hostile(one: str, other: str) -> Report:
    """Every text that may come from a peer says something else."""
    found = Session(1, 0, edition=one, service=other, control=one, authorization=other, began=0.0, ended=9.0)
    series = Series("evcc", "V", "measured", one)
    for at in range(5):
        series.add(float(at), 400.0 + at)
    found.series["evcc V", "measured"] = series
    found.states = {"evcc": [Span(one, 1.0), Span(other, 2.0)], "secc": [Span(other, 1.0)]}
    found.identities = [Identity(one, other, one), Identity("evcc", "EVCCID", other)]
    found.session_ids = [one]
    found.tls.version, found.tls.suite, found.tls.notes = one, other, [one]
    found.tls.facts = [(one, other)]
    described = dict.fromkeys(("subject", "issuer", "not_before", "not_after", "key", "serial"), one)
    found.tls.certificates = [(other, described), (one, {"unreadable": other})]
    cause = Finding("refused", "secc", one, other, one, 3.0, 1, 0, detail=other, confidence=Confidence.LOW)
    cause.before = [Line(2.0, 1, one, other, one)]
    found.findings, found.cause, found.verdict = (
        [cause, Finding("refused", other, one, other, one, 4.0, 1, 0)],
        cause,
        Verdict.FAILED,
    )
    facts = CaptureFacts(first=0.0, last=9.0)
    return Report(one, facts, [found], [Trust(one, other, 1)], {"deep": {one: [other]}, "detail": one}, other)


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    for report in (good(), bad(), Report("nothing", CaptureFacts())):
        harmless(page(report))


@given(st.text(), st.text())
def test_whatever_a_peer_writes_stays_text(one: str, other: str) -> None:
    text = page(hostile(one + HOSTILE, other + HOSTILE))
    harmless(text)
    assert len(drawn(text)) >= 1


def test_a_session_that_went_well_shows_both_sides_on_one_axis() -> None:
    text = page(good())
    tree = parsed(text)
    assert "✓ ok" in text
    for name in ("Voltage in V", "Current in A", "Power in kW", "State of charge in %"):
        assert tree.xpath(f"//*[@aria-label='{name} over time']"), name
    paths = set(tree.xpath("//svg//path/@class"))
    assert {"secc measured", "evcc target", "secc limit", "evcc limit"} <= paths
    lanes = tree.xpath("//div[contains(@class, 'lane ')]")
    assert [one.get("class") for one in lanes[:2]] == ["lane evcc", "lane secc"]
    assert "TLSv1.3" in text
    assert "DC_ChargeLoopReq" in text
    assert tree.xpath(
        "//details[@class='msg']//dt[text()='EVTargetCurrent'] | //details[@class='msg']//dd[contains(., ' A')]"
    )


def test_a_session_that_failed_shows_its_cause_first() -> None:
    text = page(bad())
    tree = parsed(text)
    (card,) = tree.xpath("//section[contains(@class, 'cause')]")
    said = " ".join(card.itertext())
    for part in (
        "failed",
        "the station",
        "RST from the secc",
        "connection-reset",
        "What to try",
        "The messages before it",
    ):
        assert part in said
    assert len(card.xpath(".//ol/li")) == 3
    assert tree.xpath("//line[@class='mark']"), "the moment is marked in the charts"
    assert text.index('id="cause"') < text.index('id="trust"') < text.index("<h2>Session</h2>")


def test_the_vehicles_limit_far_beyond_the_values_does_not_flatten_them() -> None:
    low, high = Series("secc", "A", "measured", "a"), Series("secc", "A", "limit", "b")
    for at in range(10):
        low.add(float(at), 10.0)
        high.add(float(at), 3000.0)
    text = chart("Current", "A", [low, high], TimeAxis(0.0, 9.0))
    marks = [float(one) for one in re.findall(r'top:[\d.]+%">([\d.]+)</span>', text)]
    assert max(marks) <= 30.0


@given(st.floats(-1e9, 1e9), st.floats(0.0, 1e9))
def test_ticks_are_round_and_inside(low: float, more: float) -> None:
    high = low + more
    found = ticks(low, high, 5)
    assert len(found) <= 16
    slack = 1e-6 * max(1.0, more)
    assert all(low - slack <= one <= high + slack for one in found)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (1234.5, "1\N{NARROW NO-BREAK SPACE}234.5"), (2.5e6, "2.5e+06")]
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown
