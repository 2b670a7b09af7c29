"""A hundred sessions that went well, of every edition and service: nobody is accused,
and nothing at all is found."""

from __future__ import annotations

import pytest

from iso15118.loopback import LoopbackSpec
from iso15118.trace.report.model import Verdict

from .clean import clean_sessions
from .seeded import captured, report_on, spoken_by

CLEAN = list(clean_sessions())
_IN_TLS = 8
"""One in so many is put into real TLS."""


def test_there_are_a_hundred() -> None:
    assert len(CLEAN) >= 100
    assert len({name for name, _ in CLEAN}) == len(CLEAN)


@pytest.mark.parametrize(
    ("place", "spec"),
    [(place, spec) for place, (_, spec) in enumerate(CLEAN)],
    ids=[name for name, _ in CLEAN],
)
def test_nobody_is_accused(place: int, spec: LoopbackSpec) -> None:
    tls = None
    if place % _IN_TLS == 0 and spec.edition != "din" and spec.pause is None:
        tls = "TLSv1.3" if spec.edition == "iso20" else "TLSv1.2"
    report = report_on(captured(spoken_by(spec), tls=tls))
    assert len(report.sessions) == (1 if spec.pause is None else 2)
    found = [
        (one.rule, one.side, one.message, one.seen) for session in report.sessions for one in session.findings
    ]
    assert found == []
    assert report.verdict is Verdict.OK, report.decisive
    assert report.trust == []
    last = report.sessions[-1]
    assert last.edition == spec.edition
    assert last.loops > 0
    # An outlet of ISO 15118-2 and a pad tell no current that was measured.
    told = spec.service != "wpt" and (spec.edition, spec.service) != ("iso2", "ac")
    assert ((last.charged_wh or 0.0) > 0.0) is told
    assert [one for one in last.latencies.values() if one.over] == []
    assert last.latencies.keys() >= {"SessionSetup", "PowerDelivery", "SessionStop"}
    assert {who.name for who in last.identities} >= {"EVCCID", "EVSEID"}
