"""A whole file for one role: from TOML to settings that fit together, with paths made absolute.

``load_secc`` and ``load_evcc`` refuse everything that could not run, before anything runs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from msgspec import Meta, field
from msgspec.structs import replace

from iso15118.errors import ConfigError, Problems
from iso15118.evcc import EvccConfig
from iso15118.pki.chain.violations import CODES
from iso15118.ranges import Ranged
from iso15118.sdp import SDP_PORT
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.session.supervision import SupervisionLimits
from iso15118.settings.choice import nearest, shown
from iso15118.settings.couplers import (
    check_connector,
    check_inlet,
    check_means,
    check_services_fit,
    fit_to_inlet,
    fit_to_preset,
    means_of,
    vehicle_means_of,
)
from iso15118.settings.grid import check_grid, check_inverter
from iso15118.settings.link import LinkSettings, check_link
from iso15118.settings.overrides import Override, override
from iso15118.settings.own_services import check_own, check_wishes
from iso15118.settings.parts import (
    Iso2TlsSettings,
    StationContractSettings,
    StationSettings,
    StationStatusSettings,
    TlsSettings,
    VehicleContractSettings,
    VehicleSettings,
    VehicleStatusSettings,
)
from iso15118.settings.possible import check_contracts, check_station, check_tls
from iso15118.settings.reading import read_struct, read_toml
from iso15118.settings.schedule_file import read_schedules
from iso15118.settings.strictness import Strictness, apply
from iso15118.settings.wireless import PlaceSettings, SearchSettings, check_place

__all__ = [
    "ELSEWHERE",
    "ROLES",
    "EvccSettings",
    "SeccSettings",
    "evcc_of",
    "load",
    "load_evcc",
    "load_secc",
    "secc_of",
]

_log = logging.getLogger(__name__)

ELSEWHERE = {"allow_plaintext": 'tls.mode = "plaintext"', "session.supervision": "the table [supervision]"}
"""Fields of a session's configuration that a file sets with another key."""

_ISO2_TLS_PATHS = ("pki", "certificate", "key", "chain", "store", "key_password_file")
_TLS_PATHS = ("pki", "certificate", "key", "chain", "store", "key_password_file", "keylog")
_MCS = (ServiceID.MCS, ServiceID.MCS_BPT)
_CHARGED_BY = {
    "plug": "a vehicle with a plug for DC (vehicle.charger, vehicle.receiver, vehicle.inlet)",
    "ac": "a vehicle with vehicle.charger",
    "pad": "a vehicle with vehicle.receiver",
    "pantograph": 'vehicle.inlet = "pantograph"',
}


SdpPort = Annotated[int, Meta(ge=1, le=65535)]


class SeccSettings(Ranged, frozen=True, kw_only=True):
    """A station: one connector on one network interface."""

    interface: str = "lo"
    """Network interface to the vehicle, by its name or an alternative one; "lo" is this machine only."""
    wait_for_interface: bool = False
    """Wait for an interface that is missing or has no address yet, instead of ending with exit status 3. One
    that changes later is found anew in any case."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """TCP port; 0: any free one of 49152 to 65535, which discovery announces."""
    sdp_port: SdpPort = SDP_PORT
    """UDP port of discovery; another one than 15118 only to have several stations on one machine."""
    strictness: Strictness = "field"
    """"field": take what vehicles and stations of today do beside the standards, as docs/tolerance.md lists
    it; "conformance": refuse it. A key that is written in this file holds in either."""
    link: LinkSettings = field(default_factory=LinkSettings)
    wireless: PlaceSettings = field(default_factory=PlaceSettings)
    session: SeccConfig = field(default_factory=SeccConfig)
    supervision: SupervisionLimits = field(default_factory=SupervisionLimits)
    tls: TlsSettings = field(default_factory=TlsSettings)
    status: StationStatusSettings = field(default_factory=StationStatusSettings)
    station: StationSettings = field(default_factory=StationSettings)
    contracts: StationContractSettings = field(default_factory=StationContractSettings)


class EvccSettings(Ranged, frozen=True, kw_only=True):
    """A vehicle: one inlet on one network interface."""

    interface: str = "lo"
    """Network interface to the station, by its name or an alternative one; "lo" is this machine only."""
    sdp_port: SdpPort = SDP_PORT
    """UDP port of discovery; the same as the station's."""
    strictness: Strictness = "field"
    """"field": take what vehicles and stations of today do beside the standards, as docs/tolerance.md lists
    it; "conformance": refuse it. A key that is written in this file holds in either."""
    link: LinkSettings = field(default_factory=LinkSettings)
    wireless: SearchSettings = field(default_factory=SearchSettings)
    session: EvccConfig = field(default_factory=EvccConfig)
    supervision: SupervisionLimits = field(default_factory=SupervisionLimits)
    tls: TlsSettings = field(default_factory=TlsSettings)
    status: VehicleStatusSettings = field(default_factory=VehicleStatusSettings)
    vehicle: VehicleSettings = field(default_factory=VehicleSettings)
    contracts: VehicleContractSettings = field(default_factory=VehicleContractSettings)


ROLES: dict[str, type[SeccSettings | EvccSettings]] = {"secc": SeccSettings, "evcc": EvccSettings}
"""The settings of each role's file."""


def load_secc(path: Path, overrides: Sequence[Override] = ()) -> SeccSettings:
    """The settings of a station with one connector, from a file, and ``overrides`` over it.
    Raises ``ConfigError``, where several things are wrong all of them at once, and for a
    file with several connectors."""
    table = read_toml(path)
    override(table, overrides, SeccSettings)
    if "connector" in table:
        raise ConfigError(
            "connector", "this file has several connectors", "iso15118.settings.connectors.load_connectors"
        )
    return secc_of(table, path)


def secc_of(table: dict[str, Any], path: Path) -> SeccSettings:
    """The settings of one connector, from its tables, which are changed; ``path``: of the file that they are
    from. Raises ``ConfigError``."""
    apply(table, "secc")
    if isinstance(station := table.get("station", {}), dict) and isinstance(
        session := table.setdefault("session", {}), dict
    ):
        fit_to_preset(str(station.get("preset", "")), session, str(station.get("grid_code", "none")))
    settings = read_struct(SeccSettings, table, elsewhere=ELSEWHERE)
    preset = settings.station.preset
    means = means_of(preset)
    megawatt, alternating = means == "mcs", means == "ac"
    problems = Problems()
    with problems.noted():
        check_connector(settings.station.preset, settings.session.connector)
    with problems.noted():
        check_link(settings.link, megawatt=megawatt, alternating=alternating, why="station.preset")
    with problems.noted():
        check_place(settings.wireless, plugged=settings.link.plugged, evse_id=settings.session.evse_id)
    with problems.noted():
        check_means(means, settings.link, settings.session.editions, f"station.preset = {preset!r}")
    with problems.noted():
        _check_din(settings.session.editions, alternating, "station.preset")
    for wrong in check_services_fit(
        settings.session.services, means, f"the connector of station.preset = {preset!r}"
    ):
        with problems.noted():
            raise wrong
    with problems.noted():
        check_own(settings.station.own_services, len(settings.station.value_added))
    with problems.noted():
        check_grid(settings.station, settings.session.services, alternating=alternating)
    config = settings.session
    for edition, where, timing in (
        ("iso20", "session.timing", config.timing),
        ("iso2", "session.iso2.timing", config.iso2.timing),
        ("din", "session.din.timing", config.din.timing),
    ):
        if edition in config.editions:
            with problems.noted():
                check_station(settings.station, timing, table=where)
    with problems.noted():
        _check_status(settings)
    station = settings.station
    with problems.noted():
        if station.schedule is not None:
            schedule = path.resolve().parent / station.schedule
            read_schedules(schedule)  # what is wrong with it is said before anything runs
            settings = replace(settings, station=replace(station, schedule=schedule))
        elif station.sign_prices:
            raise ConfigError("station.sign_prices", "there are no prices", "station.schedule, or false")
    return _replace(settings, path, problems)


def _check_status(settings: SeccSettings) -> None:
    """What is demanded has to come from somewhere: vehicles and contracts bring no evidence along."""
    status = settings.status
    addresses = [
        ("status.responder", status.responder or "http://"),
        *(("status.lists", one) for one in status.lists),
    ]
    for key, address in addresses:
        if not address.lower().startswith(("http://", "https://")):
            raise ConfigError(key, f"{shown(address)} is no address of the web", "http://... or https://...")
    if status.store is not None or status.online or status.lists:
        return
    for key, demand in (
        ("tls.revocation", settings.tls.revocation),
        ("contracts.revocation", settings.contracts.revocation),
    ):
        if demand not in (None, "none"):
            raise ConfigError(
                key,
                f"{demand!r} would refuse everybody: nothing says whether a certificate is revoked",
                "status.online = true, or status.store with lists",
            )


def load_evcc(path: Path, overrides: Sequence[Override] = ()) -> EvccSettings:
    """The settings of a vehicle with one inlet, likewise. Raises ``ConfigError`` as ``load_secc`` does."""
    table = read_toml(path)
    override(table, overrides, EvccSettings)
    if "inlet" in table:
        raise ConfigError("inlet", "this file has several inlets", "iso15118.settings.inlets.load_inlets")
    return evcc_of(table, path)


def evcc_of(table: dict[str, Any], path: Path) -> EvccSettings:
    """The settings of one inlet, as ``secc_of``. Raises ``ConfigError``."""
    apply(table, "evcc")
    fit_to_inlet(table)
    settings = read_struct(EvccSettings, table, elsewhere=ELSEWHERE)
    if "control_mode" in table.get("session", ()):
        _log.warning("%s: session.control_mode is deprecated: use control_modes, a list, best first", path)
    megawatt = any(service in _MCS for service in settings.session.services)
    means, problems = "plug", Problems()
    with problems.noted():
        means = vehicle_means_of(settings.vehicle)
    alternating = means == "ac"
    with problems.noted():
        check_link(settings.link, megawatt=megawatt, alternating=alternating, why="session.services")
    with problems.noted():
        check_place(settings.wireless, plugged=settings.link.plugged)
    with problems.noted():
        _check_din(settings.session.editions, alternating, "vehicle.charger")
    with problems.noted():
        check_means(means, settings.link, settings.session.editions, _CHARGED_BY[means])
    for wrong in check_services_fit(settings.session.services, means, _CHARGED_BY[means]):
        with problems.noted():
            raise wrong
    vehicle, target = settings.vehicle, settings.session.target_soc
    with problems.noted():
        check_wishes(vehicle.own_services, len(vehicle.value_added))
    with problems.noted():
        check_inverter(vehicle, settings.session.services)
    with problems.noted():
        check_inlet(vehicle, settings.session.services, settings.session.connectors)
    with problems.noted():
        if vehicle.soc >= target:
            raise ConfigError(
                "vehicle.soc", f"{vehicle.soc:g} is not below session.target_soc = {target}", "a lower one"
            )
    with problems.noted():
        if vehicle.full_v <= vehicle.empty_v:
            raise ConfigError(
                "vehicle.full_v",
                f"{vehicle.full_v:g} is not above empty_v = {vehicle.empty_v:g}",
                "a higher one",
            )
    return _replace(settings, path, problems)


def _check_din(editions: tuple[str, ...], alternating: bool, key: str) -> None:
    if alternating and set(editions) == {"din"}:
        raise ConfigError(key, "DIN 70121 knows no AC", "session.editions with iso2 or iso20")


def load(path: Path, role: str, overrides: Sequence[Override] = ()) -> SeccSettings | EvccSettings:
    """The settings of ``role`` ("secc" or "evcc"), likewise. Raises as ``load_secc``."""
    return load_secc(path, overrides) if role == "secc" else load_evcc(path, overrides)


R = TypeVar("R", SeccSettings, EvccSettings)
T = TypeVar("T", TlsSettings, Iso2TlsSettings)


def _absolute(tls: T, names: tuple[str, ...], folder: Path) -> T:
    named = {name: getattr(tls, name) for name in names}
    return replace(
        tls,
        anchors=tuple(folder / one for one in tls.anchors),
        **{name: folder / one for name, one in named.items() if one is not None},
    )


def _replace(settings: R, path: Path, problems: Problems) -> R:
    """Paths from the file's own folder, and plaintext only where it was asked for. Raises what is among
    the ``problems`` as well."""
    tls, folder = settings.tls, path.resolve().parent
    plaintext = tls.mode == "plaintext"
    with problems.noted():
        check_tls(
            tls,
            editions=settings.session.editions,
            role="secc" if isinstance(settings, SeccSettings) else "evcc",
            forbid_plaintext=settings.session.forbid_plaintext,
        )
    for code in tls.refuse:
        with problems.noted():
            if code not in CODES:
                raise ConfigError(
                    "tls.refuse",
                    f"{shown(code)} is no code of a violation",
                    f"did you mean {nearest(code, CODES)!r}?",
                )
    contracts = settings.contracts
    if isinstance(contracts, StationContractSettings):
        wanted, key = contracts.offer, "contracts.offer"
    else:
        wanted, key = contracts.use, "contracts.use"
        contracts = replace(
            contracts,
            x448_key=None if contracts.x448_key is None else folder / contracts.x448_key,
            passphrase_file=None if contracts.passphrase_file is None else folder / contracts.passphrase_file,
        )
    with problems.noted():
        if wanted and set(settings.session.editions) == {"din"}:
            raise ConfigError(key, "DIN 70121 knows no Plug and Charge", "session.editions with iso20")
        if wanted and plaintext:
            raise ConfigError(key, "there is no Plug and Charge without TLS", 'tls.mode = "tls"')
        if wanted and tls.pki is None and tls.iso2.pki is None:
            check_contracts(contracts)
    problems.tell()
    contracts = replace(contracts, store=None if contracts.store is None else folder / contracts.store)
    tls = _absolute(tls, _TLS_PATHS, folder)
    tls = replace(tls, iso2=_absolute(tls.iso2, _ISO2_TLS_PATHS, folder))
    status = settings.status
    status = replace(status, store=None if status.store is None else folder / status.store)
    return replace(
        settings,
        tls=tls,
        status=status,
        contracts=contracts,
        session=replace(
            settings.session,
            allow_plaintext=plaintext and "iso20" in settings.session.editions,
            supervision=settings.supervision,
        ),
    )
