"""TLS in captures: opened with secrets from wherever they are, and what it says without any."""

from __future__ import annotations

import pytest

from iso15118.trace.entries import Entry, MessageEntry, StreamFacts, TlsEntry
from iso15118.trace.packets import udp_packet
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.reading.records import Keys12
from iso15118.trace.reading.suites import SUITES, Suite
from tests.trace.made import EV, SE, Frames, Made, din_frames, iso20_frames, pcap, pcapng_file, spoken
from tests.trace.openssl import spoken_by_openssl

OPEN_12 = [
    "ClientHello",
    "ServerHello",
    "Certificate",
    "ServerKeyExchange",
    "ServerHelloDone",
    "ClientKeyExchange",
]


def read(data: bytes, secrets: bytes = b"", *, live: bool = True) -> tuple[list[Entry], StreamFacts]:
    known = Secrets()
    known.add(secrets, "keylog")
    reader = CaptureReader(secrets=known, live=live)
    found = reader.feed(data) + reader.finish()
    return found, reader.streams[0]


def messages(found: list[Entry]) -> list[str]:
    return [entry.message for entry in found if isinstance(entry, MessageEntry)]


def told(found: list[Entry]) -> dict[str, TlsEntry]:
    return {entry.message: entry for entry in found if isinstance(entry, TlsEntry)}


def disclosed(made: Made, at: int) -> Frames:
    """The secrets in a datagram, behind so many packets."""
    datagram = (made.frames[at][0], udp_packet(EV, SE, made.key_log))
    return [*made.frames[:at], datagram, *made.frames[at:]]


@pytest.mark.parametrize("tls", ["TLSv1.3", "TLSv1.2"])
def test_secrets_from_each_place(tls: str) -> None:
    made = spoken(tls, iso20_frames() if tls == "TLSv1.3" else din_frames())
    wanted = ["supportedAppProtocolReq", "supportedAppProtocolRes", "SessionSetupReq"]
    for data, secrets, source in (
        (pcapng_file(made.frames, secrets=made.key_log), b"", "capture"),
        (pcap(made.frames), made.key_log, "keylog"),
        (pcap(disclosed(made, 2)), b"", "capture"),
        (pcap(disclosed(made, len(made.frames) - 1)), b"", "capture"),  # after all that they open
    ):
        found, facts = read(data, secrets)
        assert messages(found)[:3] == wanted
        assert (facts.tls, facts.secrets) == (tls, source)
        assert facts.suite in ("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256")
        assert told(found)["Finished"].decrypted
        assert facts.from_client.records_closed == facts.from_server.records_closed == 0


def test_without_secrets_tls_13_says_what_is_open() -> None:
    made = spoken("TLSv1.3", iso20_frames())
    found, facts = read(pcap(made.frames))
    assert messages(found) == []
    said = told(found)
    assert set(said) == {"ClientHello", "ServerHello", "ApplicationData"}
    assert said["ClientHello"].content["groups"] == ["secp521r1", "x448"]
    assert said["ClientHello"].notes == ()
    assert said["ServerHello"].content == {
        "version": "TLSv1.3",
        "cipher_suite": "TLS_AES_256_GCM_SHA384",
        "group": "secp521r1",
    }
    random = made.secrets[0].split()[1]
    assert said["ApplicationData"].notes == (f"stays closed: no secrets for client random {random}",)
    assert facts.from_client.records_closed > 5
    assert facts.secrets is None


def test_without_secrets_tls_12_shows_the_stations_chain_and_judges_it() -> None:
    made = spoken("TLSv1.2", din_frames())
    found, _ = read(pcap(made.frames))
    said = told(found)
    assert [name for name in OPEN_12 if name in said] == OPEN_12
    certificates = said["Certificate"].content["certificates"]
    assert isinstance(certificates, list)
    assert "CPO" in certificates[0]["subject"]
    assert len(said["Certificate"].certificates) == len(certificates) == 3
    # The times of the capture are those of the packets, before the certificates were made: that is
    # said, and nothing else is wrong.
    assert all("before its validity" in note for note in said["Certificate"].notes)
    assert said["ServerKeyExchange"].content["group"] == "secp256r1"


def test_an_offer_that_fits_no_edition_is_told_by_our_own_rules() -> None:
    found, facts = read(pcap(spoken_by_openssl("TLSv1.3", iso20_frames()).frames))
    said = told(found)
    assert any(
        "no cipher suite of ISO 15118-20" in note or "no certificate_authorities" in note
        for note in said["ClientHello"].notes
    )
    assert any("is no group of ISO 15118-20" in note for note in said["ServerHello"].notes)
    assert facts.tls == "TLSv1.3"


@pytest.mark.parametrize(
    ("version", "cipher"),
    [
        ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-SHA256"),
        ("TLSv1.2", "ECDHE-ECDSA-AES256-SHA384"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-SHA"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-CCM"),
        ("TLSv1.2", "ECDHE-ECDSA-AES128-CCM8"),
    ],
)
def test_every_suite_as_openssl_speaks_it(version: str, cipher: str) -> None:
    made = spoken_by_openssl(version, iso20_frames(), cipher)
    found, facts = read(pcap(made.frames), made.key_log)
    assert messages(found)[-1] == "DC_ChargeLoopReq"
    assert len(messages(found)) == len(iso20_frames())
    assert facts.tls == version
    assert facts.secrets == "keylog"


def test_key_updates_are_followed() -> None:
    made = Made("TLSv1.3")
    for number, (sender, frame) in enumerate(iso20_frames(8)):
        made.say(sender, frame)
        if number in (4, 7):
            made.update_keys(number == 7)
    found, _ = read(pcap(made.frames), made.key_log)
    assert len(messages(found)) == 11
    assert sum(isinstance(entry, TlsEntry) and entry.message == "KeyUpdate" for entry in found) >= 2


def test_wrong_secrets_open_nothing_and_are_told() -> None:
    made = spoken("TLSv1.3", iso20_frames())
    wrong = b"".join(line[:-8] + b"00000000\n" for line in made.key_log.splitlines())
    found, facts = read(pcap(made.frames), wrong)
    assert messages(found) == []
    assert any("they are wrong" in note for note in told(found)["ApplicationData"].notes)
    assert facts.from_client.records_closed > 5


def test_an_alert_is_told_by_name() -> None:
    made = Made(None)
    made.say(True, b"\x15\x03\x03\x00\x02\x02\x30")
    found, _ = read(pcap(made.frames))
    assert told(found)["Alert"].content == {"level": "fatal", "description": "unknown_ca"}


def test_a_block_of_secrets_that_waits_for_nothing_is_bounded() -> None:
    """Records without secrets are kept up to a few megabytes, and counted all."""
    from iso15118.trace.reading.reader import LIVE_HOLD

    made = Made("TLSv1.3")
    for _ in range(LIVE_HOLD // 16_000 + 40):
        made.say(True, iso20_frames(1)[3][1] + b"\x01\xfe\x80\x04\x00\x00\x3e\x00" + bytes(0x3E00))
    # Secrets that come too late open what was kept, and what comes behind it.
    frames = disclosed(made, len(made.frames) - 2)
    reader = CaptureReader()
    found = reader.feed(pcap(frames)) + reader.finish()
    opened = sum(entry.message == "DC_ChargeLoopReq" for entry in found if isinstance(entry, MessageEntry))
    closed = reader.streams[0].from_client.records_closed
    assert LIVE_HOLD // 17_000 < opened < LIVE_HOLD // 16_000 + 40
    assert closed > 0


def test_keys_of_tls_12_as_somebody_else_derives_them() -> None:
    """The vector that the IETF's TLS list has for the PRF with SHA-256, and its key expansion by
    cryptography's primitives."""
    from cryptography.hazmat.primitives import hashes, hmac

    def p_hash(secret: bytes, seed: bytes, octets: int) -> bytes:
        def mac(data: bytes) -> bytes:
            one = hmac.HMAC(secret, hashes.SHA256())
            one.update(data)
            return one.finalize()

        made, link = b"", seed
        while len(made) < octets:
            link = mac(link)
            made += mac(link + seed)
        return made[:octets]

    master, client, server = bytes(range(48)), b"c" * 32, b"s" * 32
    block = p_hash(master, b"key expansion" + server + client, 96)
    keys = Keys12(SUITES[0xC023], (master, client, server), True, False)
    assert (keys._mac, keys._key) == (block[:32], block[64:80])
    assert isinstance(keys.suite, Suite)
