"""Captures without identities: nothing of the original is found in them, all of them
decodes, and they show the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.link.slac.messages import SlacMatchReq, SlacParmCnf
from iso15118.loopback import LoopbackSpec
from iso15118.messages import app
from iso15118.messages.xmldsig import DigestMethod, Reference
from iso15118.trace.anonymize import Pseudonyms
from iso15118.trace.anonymized import Anonymizer
from iso15118.trace.as_json import json_object
from iso15118.trace.diff import differences
from iso15118.trace.entries import Entry, MessageEntry, Packet, SdpEntry, SlacEntry, TcpEntry, V2gtpEntry
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.report.building import ReportBuilder
from tests.link.tapping import two_bays
from tests.trace.made import Made, pcap
from tests.trace.report.faults import EDITIONS, session
from tests.trace.report.seeded import Spoken, captured, spoken_by

CONTRACT = LoopbackSpec(
    transport="memory", auth="pnc", install_contract=True, battery_kwh=30.0, soc_start=20.0, soc_target=20.1
)


def read(data: bytes, secrets: bytes = b"") -> list[Entry]:
    known = Secrets()
    known.add(secrets, "keylog")
    reader = CaptureReader(secrets=known, live=False)
    return [*reader.feed(data), *reader.finish()]


@cache
def original(edition: str, tls: str | None = None) -> tuple[Entry, ...]:
    spec = CONTRACT if edition == "pnc" else session(edition)
    made: Made = captured(spoken_by(spec), tls=tls)
    reader = CaptureReader(secrets=_known(made), live=False)
    found = reader.packets(
        Packet(place + 1, at, 1, data, len(data)) for place, (at, data) in enumerate(made.frames)
    )
    return (*found, *reader.close())


def _known(made: Made) -> Secrets:
    known = Secrets()
    known.add(made.key_log, "keylog")
    return known


def anonymized(entries: tuple[Entry, ...], key: bytes = bytes(32)) -> tuple[bytes, Anonymizer]:
    anonymizer = Anonymizer(Pseudonyms(key))
    return anonymizer.header + anonymizer.take(entries), anonymizer


def identities(value: Any) -> Iterator[bytes | str]:
    """Every octet string and every id in the messages: whatever may name somebody."""
    if isinstance(value, msgspec.Struct):
        for one in msgspec.structs.fields(value):
            inner = getattr(value, one.name)
            if (
                isinstance(inner, str)
                and type(inner) is str
                and re.search(r"id$|name|value$|explanation", one.name)
                and one.name != "name"
            ):
                yield inner
            else:
                yield from identities(inner)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from identities(each)
    elif isinstance(value, bytes) and any(value) and len(value) >= 6:
        yield value


@pytest.mark.parametrize(
    ("edition", "tls"),
    [*((one, None) for one in EDITIONS), ("iso20", "TLSv1.3"), ("iso2", "TLSv1.2"), ("pnc", None)],
)
def test_nothing_of_the_original_is_left_and_all_of_it_decodes(edition: str, tls: str | None) -> None:
    before = original(edition, tls)
    data, anonymizer = anonymized(before)
    after = read(data)
    mine = [one for one in before if isinstance(one, MessageEntry)]
    theirs = [one for one in after if isinstance(one, MessageEntry)]
    assert [(one.sender, one.message, one.response_code) for one in mine] == [
        (one.sender, one.message, one.response_code) for one in theirs
    ]
    assert not [one for one in after if isinstance(one, V2gtpEntry)]
    assert anonymizer.messages == len(mine)
    said = "".join(str(json_object(one)) for one in after) + data.decode("latin-1")
    wanted = {one for each in mine for one in identities(each.value)}
    assert len(wanted) >= 4
    for one in wanted:
        text = one if isinstance(one, str) else one.hex()
        if len(text) >= 6 and not re.fullmatch(r"#?id\d*|urn:.*|http.*", text):
            assert text not in said, text
    # What is measured and decided is the same.
    named = re.compile(r"Service|Parameter|X509|Provider|/Id$|PCID")
    assert [one for one in differences(mine, theirs) if not named.search(one.path)] == []


def test_pseudonyms_are_the_same_throughout_and_with_the_same_key() -> None:
    before = original("iso2")
    one, _ = anonymized(before)
    other, _ = anonymized(before)
    assert one == other
    assert anonymized(before, bytes(31) + b"\1")[0] != one
    ids = {
        entry.session_id
        for entry in read(one)
        if isinstance(entry, MessageEntry) and entry.session_id and any(entry.session_id)
    }
    assert len(ids) == 1


def test_the_report_of_it_says_the_same() -> None:
    events = spoken_by(session("iso20")).events[:-60]
    made = captured(Spoken([*events, (events[-1][0] + 0.05, False, "reset")]))
    before = tuple(read(pcap(made.frames)))
    data, _ = anonymized(before)
    builder, reader = ReportBuilder(), CaptureReader(live=False)
    builder.see(reader.feed(data))
    builder.see(reader.finish())
    cause = builder.finish("x", reader.facts, reader.streams).sessions[0].cause
    assert cause is not None
    assert (cause.rule, cause.side) == ("connection-reset", "secc")


def test_gaps_frames_that_cannot_be_read_and_discovery_stay() -> None:
    made = captured(spoken_by(session("iso20")))
    frames = [*made.frames[:60], *made.frames[61:]]
    broken = captured(Spoken([(0.0, True, bytes.fromhex("01fe800200000004deadbeef"))]))
    before = (*read(pcap(frames)), *read(pcap(broken.frames)))
    data, anonymizer = anonymized(before)
    after = read(data)
    assert sum(isinstance(one, SdpEntry) for one in after) == sum(isinstance(one, SdpEntry) for one in before)
    assert any(isinstance(one, TcpEntry) and one.event.value == "gap" for one in after)
    assert anonymizer.left_out == {"frames whose content was blanked": 1}
    assert b"\xde\xad\xbe\xef" not in data


def test_slac_keeps_what_it_measured_and_no_address() -> None:
    frames = [(1e9 + at, data) for at, data in two_bays("CAR_1").tap]
    before = tuple(read(pcap(frames)))
    data, _ = anonymized(before)
    after = read(data)
    mine = [one for one in before if isinstance(one, SlacEntry)]
    theirs = [one for one in after if isinstance(one, SlacEntry)]
    assert len(mine) > 20
    assert [one.message for one in mine] == [one.message for one in theirs]
    addresses = {
        bytes(frame[place : place + 6]) for _, frame in frames for place in (0, 6) if not frame[place] & 1
    }
    assert addresses
    assert not [one for one in addresses if one in data]
    pairs = {(one.source, other.source) for one, other in zip(mine, theirs, strict=True)}
    assert len(pairs) == len({one for one, _ in pairs}), "one pseudonym for each"


def test_what_stands_in_fields_that_name_nobody_is_looked_at_as_well() -> None:
    """A peer writes there what it likes: padding, the target of sounds, a reference, a protocol."""
    who, device = b"WVWV1234", bytes.fromhex("0300deadbeef")  # looks like the address of a group
    hidden = Pseudonyms(bytes(32))
    for message in (
        SlacMatchReq(device, device, who, reserved=who),
        SlacParmCnf(run_id=who, forwarding_sta=device, msound_target=device),
    ):
        changed = repr(hidden.slac(message))
        assert repr(who)[2:-1] not in changed
        assert repr(device) not in changed
    assert hidden.mac(b"\xff" * 6) == b"\xff" * 6
    name = "urn:maker:WVWV123456789ABCDEF7"
    offer = app.AppProtocol(
        protocol_namespace=name, version_number_major=1, version_number_minor=0, schema_id=1, priority=1
    )
    assert hidden.message(offer).protocol_namespace != name
    known = msgspec.structs.replace(offer, protocol_namespace="urn:iso:std:iso:15118:-20:DC")
    assert hidden.message(known) is known
    digest = DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha256")
    reference = Reference(uri=name, type=name, digest_method=digest, digest_value=who)
    changed = hidden.message(reference)
    assert (changed.uri == name, changed.type == name) == (False, False)
    assert changed.digest_method == digest


def test_what_was_noted_is_not_taken_along() -> None:
    """A note quotes what stood there."""
    entry = next(one for one in original("iso2") if isinstance(one, MessageEntry) and one.notes)
    assert entry.notes
    other = Anonymizer(Pseudonyms(bytes(32))).message(entry)
    assert other is not None
    assert other.notes == ()


@given(st.text(max_size=60), st.binary(max_size=60))
def test_pseudonyms_have_the_form_of_what_they_stand_for(text: str, octets: bytes) -> None:
    made = Pseudonyms(bytes(32))
    other = made.text(text)
    assert len(other) == len(text)
    assert [one.isalnum() for one in other] == [one.isalnum() for one in text]
    assert all(b.isdigit() for a, b in zip(text, other, strict=True) if a in "0123456789")
    assert made.text(text) == other
    assert len(made.octets(octets)) == len(octets)
    assert any(made.octets(octets)) == any(octets) or len(octets) < 3
