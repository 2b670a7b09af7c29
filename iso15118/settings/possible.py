"""Values that are right one by one and can never work together: the durations of simulated hardware against
each other and the timers, and what TLS and contracts need of each other."""

from __future__ import annotations

import math
from collections.abc import Collection

from iso15118.errors import ConfigError
from iso15118.settings.parts import (
    PKCS12_ENDINGS,
    Iso2TlsSettings,
    StationContractSettings,
    StationSettings,
    TlsSettings,
    VehicleContractSettings,
)
from iso15118.simulation import PRESETS
from iso15118.simulation.cable_check import shortest_check_s
from iso15118.timing import Timing

__all__ = ["check_contracts", "check_station", "check_tls"]


def check_station(station: StationSettings, timing: Timing, *, table: str = "session.timing") -> None:
    """Refuse hardware that would fail in every session. Raises ``ConfigError`` with the reason and what would
    do. ``table``: what the timers are in."""
    _within(
        "station.authorization_s",
        station.authorization_s,
        f"{station.authorization_s:g} s of authorization",
        timing.authorization_ongoing_timeout,
        f"{table}.authorization_ongoing_timeout",
    )
    if station.preset not in PRESETS:
        return  # an AC outlet or a pad
    preset = PRESETS[station.preset]
    volts, slope = preset.limits.maximum_voltage_v, preset.pre_charge_v_per_s
    shortest = shortest_check_s(volts, slope)
    if station.cable_check_s < shortest:
        raise ConfigError(
            "station.cable_check_s",
            f"{station.cable_check_s:g} s are too short: {station.preset} needs {shortest:g} s to bring its output to "
            f"{volts:g} V and down again, and fails every check that is over before",
            f"{shortest:g} or more; station.time_scale makes the clock's share of it shorter",
        )
    pace = station.time_scale
    _within(
        "station.cable_check_s",
        station.cable_check_s / pace,
        f"{station.cable_check_s:g} s at station.time_scale = {pace:g}",
        timing.cable_check_performance,
        f"{table}.cable_check_performance",
    )
    _within(
        "station.time_scale",
        volts / slope / pace,
        f"at {pace:g}, pre-charge to {volts:g} V",
        timing.pre_charge_performance,
        f"{table}.pre_charge_performance",
    )


def check_tls(
    tls: TlsSettings, *, editions: Collection[str], role: str, forbid_plaintext: bool = False
) -> None:
    """Each edition has one source of certificates, and all of it; without ``[tls.iso2]`` ISO 15118-2 is
    spoken in the clear alone. Raises ``ConfigError``."""
    newer, older = _sources(tls, "tls"), _sources(tls.iso2, "tls.iso2")
    for there, edition in ((newer, "iso20"), (older, "iso2")):
        # What is written for an edition that nobody speaks would be read by nobody.
        if there and edition not in editions and not (edition == "iso20" and tls.mode == "plaintext"):
            raise ConfigError(
                there[0],
                f"is for {edition}, which session.editions does not have",
                "editions with it, or leave it out"
                if older
                else "[tls.iso2] has the certificates of ISO 15118-2",
            )
    if tls.mode == "plaintext":
        return
    if "iso20" in editions and not newer:
        raise ConfigError(
            "tls.pki",
            "is missing: TLS needs certificates",
            "make some with `iso15118 pki init FOLDER`, or name your own by tls.certificate, tls.key and tls.anchors, or by tls.store, "
            'or do without TLS by tls.mode = "plaintext"',
        )
    if "iso2" in editions and not older and forbid_plaintext:
        raise ConfigError(
            "tls.iso2.pki",
            "is missing: ISO 15118-2 is not spoken in the clear, and TLS needs certificates",
            "make some with `iso15118 pki init FOLDER --edition iso2`, or editions without iso2",
        )
    if {"iso20", "iso2"} <= set(editions) and older and tls.profile == "lab" and role == "evcc":
        raise ConfigError(
            "tls.profile", "a vehicle of two editions with TLS has the standard's profiles", '"iso20"'
        )
    if _single(tls, "tls"):
        _check_own(tls, "tls")
        _check_anchors(tls, "tls")
    if _single(tls.iso2, "tls.iso2"):
        if role == "evcc":
            _check_anchors(tls.iso2, "tls.iso2")
        else:
            _check_own(tls.iso2, "tls.iso2")


def _single(tls: TlsSettings | Iso2TlsSettings, table: str) -> list[str]:
    """The keys of single files that are there."""
    files = {
        "certificate": tls.certificate,
        "key": tls.key,
        "chain": tls.chain,
        "anchors": tls.anchors or None,
    }
    return [f"{table}.{name}" for name, path in files.items() if path is not None]


def _sources(tls: TlsSettings | Iso2TlsSettings, table: str) -> list[str]:
    """Where certificates come from; one place at most."""
    whole = [f"{table}.{name}" for name in ("pki", "store") if getattr(tls, name) is not None]
    sources = [*_single(tls, table)[:1], *whole]
    if len(sources) > 1:
        raise ConfigError(sources[0], f"{sources[1]} is set too", "certificates come from one of them")
    if tls.key_password_file is not None and tls.key is None and tls.store is None:
        raise ConfigError(
            f"{table}.key_password_file",
            f"there is no {table}.key and no {table}.store whose keys it could open",
            "name one of them, or leave it out",
        )
    return sources


def _check_own(tls: TlsSettings | Iso2TlsSettings, table: str) -> None:
    if tls.key is None:
        first = _single(tls, table)[0]
        raise ConfigError(f"{table}.key", f"is missing: {first} needs it", "the file with our private key")
    if tls.certificate is None and tls.key.suffix.lower() not in PKCS12_ENDINGS:
        raise ConfigError(
            f"{table}.certificate",
            "is missing: only a key in PKCS#12 (.p12, .pfx) may bring its certificate along",
            f"the file with the certificate of {table}.key",
        )


def _check_anchors(tls: TlsSettings | Iso2TlsSettings, table: str) -> None:
    if not tls.anchors:
        raise ConfigError(
            f"{table}.anchors",
            "is missing: nobody would be trusted",
            'files with roots, such as ["root.pem"]: of vehicles (OEM) for a station, of stations (V2G) for a vehicle',
        )


def check_contracts(contracts: StationContractSettings | VehicleContractSettings) -> None:
    """What Plug and Charge needs where there is no test PKI. Raises ``ConfigError``."""
    if contracts.store is None:
        raise ConfigError(
            "contracts.store",
            "is missing: without tls.pki contracts and roots have to come from a store",
            "a folder",
        )
    if isinstance(contracts, StationContractSettings):
        for name in ("install", "central_validation"):
            if getattr(contracts, name):
                raise ConfigError(
                    f"contracts.{name}",
                    "the simulated backend has what it needs for that from a test PKI only",
                    "tls.pki, or leave it out",
                )


def _within(key: str, takes_s: float, what: str, most_s: float, timer: str) -> None:
    if takes_s >= most_s:
        takes = f"{takes_s:.3g}" if math.isfinite(takes_s) else "endless"
        raise ConfigError(
            key,
            f"{what} takes {takes} s of the clock, and after {most_s:g} s the session ends",
            f"less than {timer} = {most_s:g}, or a longer one",
        )
