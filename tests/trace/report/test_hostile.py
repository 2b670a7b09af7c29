"""Captures that somebody has tampered with: no error, no hang, and nothing in the page but text."""

from __future__ import annotations

import time

import msgspec
import pytest

from iso15118.trace.anonymize import Pseudonyms
from iso15118.trace.anonymized import Anonymizer
from iso15118.trace.entries import CaptureFacts
from iso15118.trace.report.building import KEPT_HEAD, MOST_RUNS, MOST_SESSIONS, ReportBuilder
from iso15118.trace.report.export import as_json
from iso15118.trace.report.page import page
from iso15118.trace.report.words import in_words
from tests.trace.mutated import made, read

from .faults import good_session, session
from .seeded import captured, report_on, spoken_by
from .test_page import harmless

SLOW_S = 2.0


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_changed_captures_end_in_a_report(first: int) -> None:
    for seed in range(first, first + 100):
        kind, data, dice = made(seed)
        entries = read(kind, data, dice)
        began = time.process_time()
        builder = ReportBuilder()
        builder.see(entries)
        last = max((one.t for one in entries if one.t is not None), default=None)
        report = builder.finish(f"seed {seed}", CaptureFacts(last=last), [])
        msgspec.json.encode(as_json(report))
        assert list(in_words(report))
        text = page(report)
        if seed % 10 == 0:
            harmless(text)
        Anonymizer(Pseudonyms(bytes(32))).take(entries)
        assert time.process_time() - began < SLOW_S, seed


def test_a_long_session_is_kept_in_part_and_counted_whole() -> None:
    spec = session("iso20", battery_kwh=400.0, soc_target=20.9)
    report = report_on(captured(spoken_by(spec)))
    (one,) = report.sessions
    loop = next(run for run in one.runs if run.name == "DC_ChargeLoop")
    assert loop.left_out > 0
    assert loop.count == 2 * one.loops == len(loop.shown) + len(loop.tail) + loop.left_out
    assert len(loop.shown) <= 20 * KEPT_HEAD
    assert len(page(report)) < 1_000_000
    assert MOST_RUNS * 30 < 20_000


def test_more_connections_than_anybody_reads_are_counted() -> None:
    frames = []
    for place in range(MOST_SESSIONS + 5):
        made_one = captured(good_session("iso20"))
        port = (20_000 + place).to_bytes(2, "big")
        for at, data in made_one.frames[2:12]:
            own = 54 if data[11] == 1 else 56  # where the vehicle's port stands
            frames.append((at + place, data[:own] + port + data[own + 2 :]))
    report = report_on(frames)
    assert len(report.sessions) <= MOST_SESSIONS
    assert "too-many" in {one.code for one in report.trust}
    assert len(page(report)) < 3_000_000
