"""The tables that make up the files: TLS for both roles, the simulated station, the simulated vehicle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from iso15118.ranges import Ranged

from .own_services import OwnService, OwnWish

__all__ = [
    "KEY_VARIABLE",
    "PKCS12_ENDINGS",
    "Iso2TlsSettings",
    "StationContractSettings",
    "StationSettings",
    "StationStatusSettings",
    "TlsSettings",
    "VehicleContractSettings",
    "VehicleSettings",
    "VehicleStatusSettings",
]

KEY_VARIABLE: Final = "ISO15118_KEY_PASSWORD"
"""Variable of the environment with the password of our TLS key, where no file is named."""
PKCS12_ENDINGS: Final = (".p12", ".pfx")
"""Files that have a key and its certificates."""

Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=3600.0)]
Amount = Annotated[float, Meta(ge=1.0, le=10_000.0)]
PadCode = Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]
TimeScale = Annotated[float, Meta(ge=0.001, le=10_000.0)]


class Iso2TlsSettings(Ranged, frozen=True, kw_only=True):
    """Certificates of ISO 15118-2 (P-256, TLS 1.2), where session.editions has iso2; without any it is
    spoken in the clear alone."""

    pki: Path | None = None
    """A test PKI, as `iso15118 pki init FOLDER --edition iso2` makes it; relative to this file. In its place:
    certificate, key and chain of a station, anchors of a vehicle, or store."""
    certificate: Path | None = None
    """A station's certificate, PEM or DER; those of its CAs may follow it."""
    key: Path | None = None
    """Private key of that certificate: PEM, DER, or PKCS#12 (.p12, .pfx), encrypted or not, for
    its owner only (mode 600)."""
    chain: Path | None = None
    """Certificates of the CAs above the station's, PEM. A root among them is not sent."""
    anchors: tuple[Path, ...] = ()
    """A vehicle's: files with V2G roots (PEM or DER) that stations of TLS 1.2 are trusted under. A
    station asks vehicles for none."""
    store: Path | None = None
    """Certificate store: own/secc of a station, or anchors/v2g of a vehicle."""
    key_password_file: Path | None = None
    """File whose first line is the password of key, or the passphrase of the store's keys; for its owner
    only. Or the variable ISO15118_KEY_PASSWORD."""


class TlsSettings(Ranged, frozen=True, kw_only=True):
    """How the connection is protected: certificates are named by pki, or by certificate, key
    and anchors, or by store."""

    mode: Literal["tls", "plaintext"] = "tls"
    """"plaintext" does without TLS, which ISO 15118-20 forbids on a public cable: for laboratories only."""
    pki: Path | None = None
    """A test PKI: folder with certificates and keys, of all CAs too, as `iso15118 pki init FOLDER` makes it;
    relative to this file. In its place: certificate, key and anchors, or store."""
    certificate: Path | None = None
    """Our certificate, PEM or DER; those of its CAs may follow it. Relative to this file, as all paths here.
    May be absent when key is a file .p12 or .pfx that has it."""
    key: Path | None = None
    """Private key of that certificate: PEM, DER, or PKCS#12 (.p12, .pfx), encrypted or not, for
    its owner only (mode 600)."""
    chain: Path | None = None
    """Certificates of the CAs above ours, PEM. A root among them is not sent; with it responders can be
    asked about the CA below it."""
    anchors: tuple[Path, ...] = ()
    """Files with roots (PEM or DER) that are trusted: a station trusts those of vehicles (OEM), a
    vehicle those of stations (V2G)."""
    store: Path | None = None
    """Certificate store, as `iso15118 pki import` makes it: own/secc of a station or own/vehicle of a
    vehicle, and the roots in anchors/oem or anchors/v2g."""
    key_password_file: Path | None = None
    """File whose first line is the password of key, or the passphrase of the store's keys; for its owner
    only. Or the variable ISO15118_KEY_PASSWORD; a password is never written here."""
    profile: Literal["iso20", "lab"] = "iso20"
    """"iso20" as the standard has it; "lab" also accepts the P-256 of today's test peers."""
    revocation: Literal["all", "leaf", "none"] | None = None
    """Certificates of the peer, below its root, that an OCSP response or a revocation list must
    vouch for. Absent: "all" for a vehicle, which the standard demands [V2G20-1240], and for a
    station that asks (status.online); "none" for a station that does not, because vehicles cannot
    send responses along, and in "lab"."""
    expiry_warning_days: Annotated[float, Meta(ge=0.0, le=3650.0)] = 14.0
    """How long before a certificate of ours or a trusted root expires that is said in the log, each day."""
    refuse: tuple[str, ...] = ()
    """Codes of violations of the peer's certificates that count although the profile reports and accepts
    them, since the rule is not settled ("domain-component-unsettled": a station with DC=CSO instead of CPO)
    or comes with Amendment 1 only ("validity-not-nested")."""
    keylog: Path | None = None
    """Append the TLS secrets to this file; whoever has it can read the traffic. Relative to this file. The
    option --keylog and the variable SSLKEYLOGFILE do the same."""
    iso2: Iso2TlsSettings = field(default_factory=Iso2TlsSettings)


class StationStatusSettings(Ranged, frozen=True, kw_only=True):
    """Where a station has its evidence of revocation from, for vehicles, contracts
    and its own certificates."""

    store: Path | None = None
    """Certificate store with revocation lists (crl/) and OCSP responses (ocsp/), which are read again when
    they change; what is fetched is kept there. Relative to this file."""
    online: bool = False
    """Ask OCSP responders: about the station's own chain, to staple the answers, and about vehicles and
    contracts before their session. Needs the extra ocsp."""
    responder: str | None = None
    """Ask this address (http://...) instead of those that the certificates name."""
    lists: tuple[str, ...] = ()
    """Addresses of revocation lists to fetch once an hour."""
    nonce: Literal["required", "preferred", "none"] = "preferred"
    """A response must repeat our nonce ("required"); may leave it out, as those signed in advance do
    ("preferred"); gets none ("none")."""
    timeout_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 5.0
    """How long a responder may take."""


class VehicleStatusSettings(Ranged, frozen=True, kw_only=True):
    """Where a vehicle has evidence of revocation from, beside what stations staple."""

    store: Path | None = None
    """Certificate store with revocation lists (crl/) and OCSP responses (ocsp/). Relative to this file."""


class StationSettings(Ranged, frozen=True, kw_only=True):
    """The simulated power hardware of a station."""

    preset: Literal[
        "ccs2",
        "mcs-gen1",
        "mcs-gen2",
        "mcs-max",
        "chaoji",
        "ultra-chaoji-gen1",
        "ultra-chaoji",
        "ac-11",
        "ac-22",
        "ac-7-single",
        "pantograph",
        "wpt-3.7",
        "wpt-7.7",
        "wpt-11",
        "wpt-22",
    ] = "ccs2"
    """What the station can give: 400 kW on CCS; 1 MW, 2 MW or 3.75 MW on MCS; 1500 V and 800 A, 1.5 MW or 3
    MW on the couplers of ChaoJi and UltraChaoJi, which are connectors 2 and 3 of MCS; an AC outlet of 16 A or
    32 A on three phases, or of 32 A on one; 450 kW by a pantograph; a pad of 3.7, 7.7, 11.1 or 22 kW."""
    bidirectional: bool = True
    """It can take energy back; a pad never does."""
    pad_code: PadCode = 17
    """A pad: by which vehicles know it; the same as the vehicle's."""
    accept: bool = True
    """What the backend decides about every driver."""
    authorization_s: Seconds = 0.0
    """How long the decision takes."""
    cable_check_s: Seconds = 5.0
    """How long the cable check takes, in the hardware's time; with DC, also by a pantograph."""
    insulation_ohm: Annotated[float, Meta(ge=0.0, le=1e9)] = 10e6
    """Insulation of the cable; below 100 kOhm (MCS: 125 kOhm) the cable check fails."""
    meter_id: str = "SIM-METER-1"
    """Name of the energy meter."""
    schedule: Path | None = None
    """File of schedules and prices that the energy manager offers, TOML or JSON (docs/schedules.md); relative
    to this file. Say the kind of prices in session.schedules.pricing. Absent: the limits hold."""
    schedule_delay_s: Seconds = 0.0
    """How long the energy manager takes to answer."""
    grid_code: Literal["none", "european", "north-american"] = "none"
    """An AC outlet: what the site asks of vehicles that support the grid, with the values that EN 50549-1
    or IEEE 1547-2018 begin with. Where the file does not say session.services, AC_DER_IEC or AC_DER_SAE
    is then offered beside AC."""
    value_added: tuple[Literal["internet", "parking-status"], ...] = ()
    """Services offered beside energy: access to the internet (http and https), parking status
    (check-in and check-out)."""
    own_services: tuple[OwnService, ...] = ()
    """Services of one's own, offered beside energy."""
    sign_prices: bool = False
    """Sign the prices with the provider's keys in tls.pki and tls.iso2.pki: for tests only."""
    time_scale: TimeScale = 1.0
    """Seconds of the hardware in one second of the clock, for demonstrations that cannot wait."""


class StationContractSettings(Ranged, frozen=True, kw_only=True):
    """Plug and Charge at the station: whose contracts are believed, and what the
    simulated backend says about them."""

    offer: bool = False
    """Take contracts beside external identification; there has to be TLS."""
    store: Path | None = None
    """Certificate store with the roots of providers (anchors/mo, anchors/v2g); absent: those of
    tls.pki. Relative to this file."""
    accept: tuple[str, ...] = ("*",)
    """EMAIDs or their beginnings that the simulated backend accepts; "*": every contract that is good."""
    providers: tuple[str, ...] = ()
    """Provider ids told to vehicles; empty: none is told, and all may try."""
    central_validation: bool = False
    """Let the backend decide about contracts under unknown roots, instead of refusing them."""
    revocation: Literal["all", "leaf", "none"] | None = None
    """Certificates of a contract, below its root, about which a response or a list must say that they are not
    revoked. Absent: "all" with status.online, else "none". What is known always counts. [V2G20-2443]"""
    decision_s: Seconds = 0.0
    """How long the backend takes."""
    install: bool = False
    """Play the provisioning service with the keys in tls.pki and tls.iso2.pki, for any vehicle of their
    OEM roots: for tests only."""
    installation_s: Seconds = 0.0
    """How long that takes."""


class VehicleContractSettings(Ranged, frozen=True, kw_only=True):
    """Plug and Charge in the vehicle: where its contracts are."""

    use: bool = False
    """Have contracts at all; what is done with them is under [session]."""
    store: Path | None = None
    """Certificate store with contracts, the provisioning chain own/oemprov and roots, in which installed
    contracts are kept; absent: certificates of tls.pki, and nothing is kept. Relative to this file."""
    passphrase_file: Path | None = None
    """File whose first line is the passphrase that the store's keys are encrypted with; for its owner
    only. Relative to this file."""
    passphrase_variable: str | None = None
    """Variable of the environment with that passphrase, instead of a file."""
    x448_key: Path | None = None
    """With a store: file (PEM) with the X448 key beside the provisioning
    certificate's. Relative to this file."""
    names: tuple[str, ...] = ("contract",)
    """Without a store: which certificates of tls.pki are its contracts; empty: none, so
    that one has to be installed."""


class VehicleSettings(Ranged, frozen=True, kw_only=True):
    """The simulated battery of a vehicle; the default is a truck's pack, and with an
    on-board charger a car's."""

    charger: Literal["none", "ac-11", "ac-22", "ac-7-single"] = "none"
    """On-board charger, with which it charges by AC: 16 A or 32 A on three phases, or 32 A on one. The
    other keys are then those of a car where the file does not say them: 40 kWh, 330 to 420 V, 200 A, 80 kW.
    "none": it has none."""
    receiver: Literal["none", "wpt-3.7", "wpt-7.7", "wpt-11", "wpt-22"] = "none"
    """Coil, with which it charges over a pad, and its greatest power. The other keys are then those of a
    car, as with a charger. "none": it has none."""
    pad_code: PadCode = 17
    """With a coil: the code that it reads from the pad; the same as the station's."""
    inverter: bool = False
    """The on-board charger is an inverter that can support the grid, as the services
    AC_DER_IEC and AC_DER_SAE want it."""
    value_added: tuple[Literal["internet", "parking-status"], ...] = ()
    """Services that the vehicle takes beside energy where the station offers them."""
    own_services: tuple[OwnWish, ...] = ()
    """Services of a station's own that the vehicle takes."""
    battery_kwh: Amount = 540.0
    """Capacity."""
    soc: Percent = 20.0
    """State of charge at the beginning."""
    power_kw: Amount | None = None
    """Ask for this constant power; absent: for what the battery takes."""
    inlet: Literal[
        "any", "mcs", "chaoji", "ultra-chaoji", "rmcs", "xmcs", "aviation", "marine", "pantograph"
    ] = "any"
    """A megawatt inlet: the coupler that it fits. Where the file does not say them, session.services is
    then mcs and session.connectors that one; what the coupler cannot carry is not asked for. "pantograph":
    contacts on the roof, and session.services is then dc-acdp. "any": whatever the station offers."""
    empty_v: Annotated[float, Meta(ge=50.0, le=1500.0)] = 720.0
    """Voltage of the empty pack."""
    full_v: Annotated[float, Meta(ge=50.0, le=1500.0)] = 860.0
    """Voltage of the full pack."""
    resistance_ohm: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.002
    """Internal resistance."""
    maximum_current_a: Annotated[float, Meta(ge=1.0, le=3000.0)] = 3000.0
    """Greatest current in either direction."""
    maximum_power_kw: Annotated[float, Meta(ge=1.0, le=3750.0)] = 3750.0
    """Greatest power in either direction."""
    taper_from_soc: Percent = 80.0
    """From this state of charge on the battery takes less and less."""
    taper_floor: Annotated[float, Meta(ge=0.01, le=1.0)] = 0.1
    """Share of the current that is left of it at 100 percent."""
    time_scale: TimeScale = 1.0
    """Seconds of the hardware in one second of the clock; the same as the station's."""
