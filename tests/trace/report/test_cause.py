"""The cause card on seeded faults: the right rule in 95 of 100, the right side in 99, with
requirement, advice and messages."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from iso15118.trace.report.export import as_json
from iso15118.trace.report.model import Verdict
from iso15118.trace.report.rules import RULES, advice_of, requirement_of

from .faults import EDITIONS, Seeded, discoveries, faults, written


def check(seeded: Iterable[Seeded]) -> None:
    """Each fault is found; what is wrong is told together."""
    count, rules, sides = 0, [], []
    for one in seeded:
        report = one.report()
        assert report is not None, f"{one.name} befell nothing"
        count += 1
        cause = None if report.decisive is None else report.decisive.cause
        told = f"{one.name}: {report.verdict.value} {cause and (cause.rule, cause.side)}"
        if cause is None or cause.rule not in one.rules:
            rules.append(told)
        if cause is None or cause.side != one.side:
            sides.append(told)
        if cause is not None:
            assert report.verdict is Verdict.FAILED
            assert len(cause.before) <= 3
            assert requirement_of(cause, report.decisive.edition if report.decisive else None)
            assert advice_of(cause)
            said = as_json(report)["cause"]
            assert {"rule", "side", "message", "expected", "seen", "requirement", "confidence"} <= said.keys()
            assert all(said[key] for key in ("expected", "seen", "message"))
    assert len(rules) <= 0.05 * count, rules
    assert len(sides) <= 0.01 * count, sides


@pytest.mark.parametrize("edition", EDITIONS)
def test_faults_of_the_wire_are_named_with_their_side(edition: str) -> None:
    check(faults(edition))


@pytest.mark.parametrize("edition", EDITIONS)
def test_faults_that_a_side_tells_or_does_are_named_with_it(edition: str) -> None:
    check(written(edition))


def test_faults_before_a_session_are_named_with_their_side() -> None:
    check(discoveries())


def test_there_are_more_than_two_hundred_faults_and_they_take_most_rules() -> None:
    every = [one for edition in EDITIONS for one in (*faults(edition), *written(edition))] + [*discoveries()]
    assert len(every) > 200
    assert len({one.name for one in every}) == len(every)
    taken = {rule for one in every for rule in one.rules}
    assert taken <= RULES.keys()
    # Not seeded: a frame of the other side, and a SchemaID that nobody offered, which have tests of their
    # own, and what comes late.
    assert RULES.keys() - taken <= {"wrong-direction", "sap-schema-id", "late-request"}
