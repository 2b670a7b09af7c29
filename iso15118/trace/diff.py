"""Two conversations compared: aligned by what was said, not by when, and only what means something is told.

Ids, times, signatures and what is measured at a moment differ in every session; they are
left out unless all is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from msgspec import Struct

from iso15118.trace.entries import MessageEntry
from iso15118.trace.telling import content

__all__ = ["Difference", "Kind", "differences"]

MOST_RUNS: Final = 4000
"""Exchanges that are aligned; what is behind them is not compared."""
_MOST_COMPARED: Final = 2000
"""Messages of a run that are compared one by one."""
_MASKED: Final = re.compile(
    r"(?:^|/)(?:SessionID|TimeStamp|EVSETimeStamp|TimeAnchor|MeterTimestamp|TMeter|CheckOutTime|Signature|GenChallenge|EVCCID|EVSEID"
    r"|EMAID|eMAID|MeterID|MeterInfo|SigMeterReading|MeterSignature|ContractSignatureCertChain|ContractCertificateChain|DHpublickey"
    r"|DHPublicKey|ContractSignatureEncryptedPrivateKey|SECP521_EncryptedPrivateKey|OEMProvisioningCert\w*|Certificate\w*)(?:/|$)"
)
"""What is another one in every session."""
_MOMENT: Final = re.compile(
    r"(?:^|/)(?:EV(?:SE)?Present\w+|EVRESSSOC|PresentSOC|Remaining\w+|RemainingTime\w*|EV(?:Target|Maximum|Minimum)EnergyRequest"
    r"|EVEnergyRequest|DepartureTime|BulkChargingComplete)(?:/|$)"
)
"""What is measured, or counts down."""


class Kind:
    """What a difference is."""

    ONLY_A = "only-a"
    ONLY_B = "only-b"
    COUNT = "count"
    FIELD = "field"


class Difference(Struct, frozen=True, kw_only=True):
    """One difference. ``a`` and ``b`` are what either has: counts, or the first values that differ;
    None where there is none."""

    kind: str
    message: str
    path: str = ""
    """The field, from the root element on; for ``FIELD``."""
    a: Any = None
    b: Any = None
    times: int = 1
    """Messages in which that field differs."""
    number_a: int | None = None
    number_b: int | None = None
    """The first packets, or lines, in which that is."""


class _Run:
    """The same exchange, once or many times in a row."""

    __slots__ = ("answers", "requests", "stem")

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.requests: list[MessageEntry] = []
        self.answers: list[MessageEntry] = []


def differences(
    a: Iterable[MessageEntry], b: Iterable[MessageEntry], *, everything: bool = False
) -> Iterator[Difference]:
    """What differs, in the order of the conversation. ``everything``: nothing is masked."""
    left, right = _runs(a), _runs(b)
    matcher = SequenceMatcher(None, [one.stem for one in left], [one.stem for one in right], autojunk=False)
    for tag, i, until_i, j, until_j in matcher.get_opcodes():
        if tag == "equal":
            for one, other in zip(left[i:until_i], right[j:until_j], strict=True):
                yield from _between(one, other, everything)
            continue
        for one in left[i:until_i]:
            yield _alone(Kind.ONLY_A, one)
        for other in right[j:until_j]:
            yield _alone(Kind.ONLY_B, other)


def _runs(entries: Iterable[MessageEntry]) -> list[_Run]:
    runs: list[_Run] = []
    for one in entries:
        stem = one.message[:-3] if one.message.endswith(("Req", "Res")) else one.message
        if not runs or runs[-1].stem != stem:
            if len(runs) >= MOST_RUNS:
                break
            runs.append(_Run(stem))
        side = runs[-1].requests if one.request else runs[-1].answers
        side.append(one)
    return runs


def _alone(kind: str, run: _Run) -> Difference:
    count = len(run.requests) or len(run.answers)
    number = (run.requests or run.answers)[0].number
    if kind == Kind.ONLY_A:
        return Difference(kind=kind, message=run.stem, a=count, number_a=number)
    return Difference(kind=kind, message=run.stem, b=count, number_b=number)


def _between(one: _Run, other: _Run, everything: bool) -> Iterator[Difference]:
    if len(one.requests) != len(other.requests) or len(one.answers) != len(other.answers):
        counts = [f"{len(run.requests)} requests, {len(run.answers)} answers" for run in (one, other)]
        numbers = [(run.requests or run.answers)[0].number for run in (one, other)]
        yield Difference(
            kind=Kind.COUNT,
            message=one.stem,
            a=counts[0],
            b=counts[1],
            number_a=numbers[0],
            number_b=numbers[1],
        )
    yield from _fields(one.requests, other.requests, everything)
    yield from _fields(one.answers, other.answers, everything)


def _fields(
    left: Sequence[MessageEntry], right: Sequence[MessageEntry], everything: bool
) -> Iterator[Difference]:
    """Message by message; each field is told once, with its first values and how often it differs."""
    found: dict[str, Difference] = {}
    for one, other in list(zip(left, right, strict=False))[:_MOST_COMPARED]:
        if one.exi == other.exi:
            continue
        mine, theirs = dict(_flat(content(one))), dict(_flat(content(other)))
        for path in [*mine, *(path for path in theirs if path not in mine)]:
            a, b = mine.get(path), theirs.get(path)
            if a == b or (not everything and (_MASKED.search(path) or _MOMENT.search(path))):
                continue
            known = found.get(path)
            found[path] = Difference(
                kind=Kind.FIELD,
                message=one.message,
                path=path,
                a=a if known is None else known.a,
                b=b if known is None else known.b,
                times=1 if known is None else known.times + 1,
                number_a=one.number if known is None else known.number_a,
                number_b=other.number if known is None else known.number_b,
            )
    yield from found.values()


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values; a number with its power of ten is one value."""
    if isinstance(value, dict):
        if value.keys() <= {"Exponent", "Multiplier", "Unit", "Value"} and "Value" in value:
            power, number = value.get("Exponent", value.get("Multiplier", 0)), value["Value"]
            # Made of messages: both are small integers there. Whatever else it may
            # be is compared as it stands.
            if type(power) is int and abs(power) < 300 and isinstance(number, int | float):
                scaled = number * 10.0**power if power >= 0 else number / 10.0**-power
                yield path, f"{scaled:.10g} {value.get('Unit') or ''}".rstrip()
                return
        for name, inner in value.items():
            yield from _flat(inner, f"{path}/{name}" if path else name)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}/{place + 1}")
    else:
        yield path, value
