"""Values that are right one by one and can never work together: the durations of simulated hardware against each other and the timers,
and what TLS and contracts need of each other."""

from __future__ import annotations

import math

from iso15118.errors import ConfigError
from iso15118.settings.parts import (
    PKCS12_ENDINGS,
    StationContractSettings,
    StationSettings,
    TlsSettings,
    VehicleContractSettings,
)
from iso15118.simulation import PRESETS
from iso15118.simulation.cable_check import shortest_check_s
from iso15118.timing import Timing

__all__ = ["check_contracts", "check_station", "check_tls"]


def check_station(station: StationSettings, timing: Timing) -> None:
    """Refuse hardware that would fail in every session. Raises ``ConfigError`` with the reason and what would do."""
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
        "cable_check_performance",
    )
    _within(
        "station.time_scale",
        volts / slope / pace,
        f"at {pace:g}, pre-charge to {volts:g} V",
        timing.pre_charge_performance,
        "pre_charge_performance",
    )
    _within(
        "station.authorization_s",
        station.authorization_s,
        f"{station.authorization_s:g} s of authorization",
        timing.authorization_ongoing_timeout,
        "authorization_ongoing_timeout",
    )


def check_tls(tls: TlsSettings) -> None:
    """TLS has one source of certificates, and all of it. Raises ``ConfigError``."""
    files = {
        "tls.certificate": tls.certificate,
        "tls.key": tls.key,
        "tls.chain": tls.chain,
        "tls.anchors": tls.anchors or None,
    }
    single = [name for name, path in files.items() if path is not None]
    sources = [*single[:1], *(name for name in ("pki", "store") if getattr(tls, name) is not None)]
    if len(sources) > 1:
        keys = [name if name.startswith("tls.") else f"tls.{name}" for name in sources]
        raise ConfigError(keys[0], f"{keys[1]} is set too", "certificates come from one of them")
    if tls.key_password_file is not None and tls.key is None and tls.store is None:
        raise ConfigError(
            "tls.key_password_file",
            "there is no tls.key and no tls.store whose keys it could open",
            "name one of them, or leave it out",
        )
    if tls.mode == "plaintext":
        return
    if not sources:
        raise ConfigError(
            "tls.pki",
            "is missing: TLS needs certificates",
            "make some with `iso15118 pki init FOLDER`, or name your own by tls.certificate, tls.key and tls.anchors, or by tls.store, "
            'or do without TLS by tls.mode = "plaintext"',
        )
    if not single:
        return
    if tls.key is None:
        raise ConfigError("tls.key", f"is missing: {single[0]} needs it", "the file with our private key")
    if tls.certificate is None and tls.key.suffix.lower() not in PKCS12_ENDINGS:
        raise ConfigError(
            "tls.certificate",
            "is missing: only a key in PKCS#12 (.p12, .pfx) may bring its certificate along",
            "the file with the certificate of tls.key",
        )
    if not tls.anchors:
        raise ConfigError(
            "tls.anchors",
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
            f"less than session.timing.{timer} = {most_s:g}, or a longer one",
        )
