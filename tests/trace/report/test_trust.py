"""What a capture cannot prove: ten seeded defects, each named, and nobody accused for one."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from iso15118.trace.entries import Packet
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.reading.text import TextReader
from iso15118.trace.report.building import ReportBuilder
from iso15118.trace.report.files import report_of_capture
from iso15118.trace.report.model import Report, Verdict
from tests.trace.made import Frames, Made, pcapng_file

from .faults import EDITIONS, session
from .seeded import Spoken, captured, report_on, spoken_by

SEEDS = range(3)


@cache
def made(edition: str, tls: str | None = None) -> Made:
    """A session that went well."""
    return captured(spoken_by(session(edition)), tls=tls)


def _middle(frames: Frames, dice: random.Random) -> int:
    return dice.randint(30, len(frames) - 20)


def late(frames: Frames, dice: random.Random) -> Frames:
    return frames[_middle(frames, dice) :]


def lost(frames: Frames, dice: random.Random) -> Frames:
    at = _middle(frames, dice)
    return frames[:at] + frames[at + dice.choice((1, 1, 2, 5)) :]


def lost_last(frames: Frames, dice: random.Random) -> Frames:
    """The station's last answers are missing, and its FIN is there."""
    data = [place for place, (_, frame) in enumerate(frames) if len(frame) > 90 and frame[11] == 2]
    gone = set(data[-dice.randint(1, 3) :])
    return [one for place, one in enumerate(frames) if place not in gone]


def one_way(frames: Frames, dice: random.Random) -> Frames:
    side = dice.choice((1, 2))
    return [(at, frame) for at, frame in frames if frame[11] == side]


def back(frames: Frames, dice: random.Random) -> Frames:
    at, step_s = _middle(frames, dice), dice.choice((2.0, 3600.0))
    return frames[:at] + [(t - step_s, frame) for t, frame in frames[at:]]


def merged(frames: Frames, dice: random.Random) -> Frames:
    """Every other packet comes from a device with another clock."""
    return [(at - dice.choice((0.0, 3600.0)), frame) for at, frame in frames]


def forward(frames: Frames, dice: random.Random) -> Frames:
    at = dice.randint(60, len(frames) - 60)
    return frames[:at] + [(t + 3600.0, frame) for t, frame in frames[at:]]


def twice(frames: Frames, dice: random.Random) -> Frames:
    return [one for each in frames for one in (each, (each[0] + 2e-5, each[1]))]


def early(frames: Frames, dice: random.Random) -> Frames:
    return frames[: _middle(frames, dice)]


DEFECTS: dict[str, tuple[Callable[[Frames, random.Random], Frames], str]] = {
    "late start": (late, "late-start"),
    "lost segments": (lost, "lost-segments"),
    "lost at the end": (lost_last, "lost-segments"),
    "one direction": (one_way, "one-direction"),
    "clock set back": (back, "clock-step-back"),
    "two clocks": (merged, "clock-step-back"),
    "clock set forward": (forward, "clock-step-forward"),
    "packets twice": (twice, "duplicates"),
    "stopped early": (early, "ends-early"),
}


def codes(report: Report) -> set[str]:
    return {one.code for one in report.trust}


def innocent(report: Report) -> None:
    """Nobody is accused."""
    causes = [
        (one.rule, one.side, one.message, one.seen)
        for each in report.sessions
        if (one := each.cause) is not None
    ]
    assert causes == []
    assert report.verdict is not Verdict.FAILED


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_named_and_nobody_is_accused(defect: str, edition: str, seed: int) -> None:
    change, code = DEFECTS[defect]
    report = report_on(change(made(edition).frames, random.Random(f"{defect} {edition} {seed}")))
    assert code in codes(report)
    innocent(report)


@pytest.mark.parametrize("edition", EDITIONS)
def test_frames_that_the_capture_cut_off_accuse_nobody(edition: str) -> None:
    builder, reader = ReportBuilder(), CaptureReader(live=False)
    for snapshot in (130,):
        packets = [
            Packet(number + 1, at, 1, data[:snapshot], len(data))
            for number, (at, data) in enumerate(made(edition).frames)
        ]
        builder.see(reader.packets(packets))
    builder.see(reader.close())
    report = builder.finish("cut", reader.facts, reader.streams)
    assert "cut-off" in codes(report)
    innocent(report)


@pytest.mark.parametrize("edition", ["iso20", "iso2"])
def test_without_secrets_nobody_can_say(edition: str) -> None:
    whole = made(edition, "TLSv1.3" if edition == "iso20" else "TLSv1.2")
    report = report_on(whole.frames)
    assert "missing-secrets" in codes(report)
    innocent(report)
    assert report.verdict is Verdict.UNDECIDABLE
    assert "TLS stays closed" in (report.decisive.reason if report.decisive else "")


def test_secrets_of_one_direction_only_accuse_nobody() -> None:
    whole = made("iso20", "TLSv1.3")
    half = "".join(f"{line}\n" for line in whole.secrets if not line.startswith("SERVER")).encode()
    report = report_on(whole.frames, secrets=half)
    assert "missing-secrets" in codes(report)
    innocent(report)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_breaks_off_is_named(tmp_path: Path, share: float) -> None:
    whole = pcapng_file(made("iso20").frames)
    path = tmp_path / "broken.pcapng"
    path.write_bytes(whole[: int(len(whole) * share)])
    report = report_of_capture(path)
    assert "broken-file" in codes(report)
    innocent(report)


def test_text_has_no_transport_and_begins_anywhere() -> None:
    reader, builder = TextReader(secrets=Secrets(), sure=True), ReportBuilder()
    builder.see(reader.line("809a004011d01800608c44000000"))
    builder.see(reader.finish())
    report = builder.finish("text", reader.facts, [])
    assert "text" in codes(report)
    innocent(report)


@pytest.mark.parametrize("edition", EDITIONS)
def test_any_packet_may_be_missing(edition: str) -> None:
    """One data packet after the other is taken out: that costs what was in it, and accuses nobody."""
    frames = made(edition).frames
    data = [place for place, (_, frame) in enumerate(frames) if len(frame) > 90]
    for place in data[:: max(1, len(data) // 40)]:
        report = report_on(frames[:place] + frames[place + 1 :])
        innocent(report)


def test_a_fault_behind_a_gap_is_still_found() -> None:
    """Only what was lost excuses: the station's reset much later does not."""
    events = spoken_by(session("iso20")).events
    at = events[-40][0]
    frames = captured(Spoken([*events[:-40], (at, False, "reset")])).frames
    cut = [*frames[:90], *frames[91:]]
    report = report_on(cut)
    assert "lost-segments" in codes(report)
    cause = report.decisive.cause if report.decisive else None
    assert cause is not None
    assert (cause.rule, cause.side) == ("connection-reset", "secc")
