"""What is wanted of a loopback run: one checked value, with defaults that fit each other.

Everything that cannot work is refused here, before anything is built: ``ConfigError`` with
the key and the way to mend it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import force_setattr

from iso15118.energy.offer import ScheduleOffer
from iso15118.energy.planning import Wish
from iso15118.errors import ConfigError
from iso15118.evcc.config import EDITIONS
from iso15118.moved import renamed
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.services import (
    ACDP_SERVICES,
    OUTLET_SERVICES,
    SERVICES,
    WPT_SERVICES,
    ControlMode,
    EnergyService,
)
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.settings import choose
from iso15118.settings.couplers import preset_connector
from iso15118.settings.schedule_file import read_schedules
from iso15118.simulation import AC_PRESETS, PAD_PRESETS, PRESETS, AcPreset, StationPreset

__all__ = ["LoopbackSpec"]

_BY_NAME = {entry.name: entry for entry in SERVICES.values()}
_LATER_SERVICES: tuple[str, ...] = ()
_LEAST_SOC = 10.0
"""Nothing is given back below this state of charge, in percent, unless the run begins lower."""
RENEGOTIATIONS = ("stop-and-go", "beside", "service")
_LONGEST_PAUSE = 1440.0
"""Minutes: a paused session is kept for a day."""
_LATEST_TURN = 0.9
"""Energy is taken back after this share of the charge at the latest: something
must be left to charge again."""


def _coupler(name: str) -> str:
    """Of a service with direct current, or of a station, by its name."""
    if name.startswith("mcs") or preset_connector(name) is not None:
        return "an MCS"
    return "a pantograph's" if name.startswith(("acdp", "pantograph")) else "a CCS"


class LoopbackSpec(Struct, frozen=True, kw_only=True):
    """A session to run: which protocol, which hardware, and what the vehicle wants.

    None stands for a default that follows from the rest and is filled in: ``mcs-gen1`` for the megawatt
    services, ``ccs2`` for DC, ``pantograph`` and a bus's pack (350 kWh) under a pantograph, ``wpt-11`` for
    wireless power, and for AC ``ac-22`` or, with one phase, ``ac-7-single``; a truck's pack (540 kWh), a
    car's (90 kWh), or a smaller car's (40 kWh) for AC; TLS on tcp, and in memory sessions that are told it
    holds. Raises ``ConfigError`` naming the key.
    """

    edition: str = "iso20"
    """What both sides speak; ``evcc_editions`` and ``secc_editions`` say it for each side instead."""
    evcc_editions: tuple[str, ...] | None = None
    """What the vehicle speaks, best first: it offers them in this order."""
    secc_editions: tuple[str, ...] | None = None
    """What the station speaks."""
    service: str = "dc"
    auth: str = "eim"
    """``eim``: at a terminal; ``pnc``: by the vehicle's contract."""
    install_contract: bool = False
    """The vehicle begins without contract and has one installed in the session; with ``pnc`` only."""
    control: str = "scheduled"
    link: str = "none"
    transport: str = "tcp"
    tls: bool | None = None
    station: str | None = None
    soc_start: float = 20.0
    """State of charge at the beginning, in percent."""
    soc_target: float = 80.0
    """State of charge at which the vehicle has what it wants, in percent."""
    battery_kwh: float | None = None
    power_kw: float | None = None
    """The vehicle asks for this constant power; None: for what its battery takes."""
    discharge_kwh: float | None = None
    """What the station takes back in mid-session."""
    phases: int | None = None
    """AC: how many the vehicle uses, 1 or 3; None: as many as the station has."""
    schedule: Path | None = None
    """The station offers the schedules and prices of this file, TOML or JSON; None:
    what its hardware can do."""
    choice: str = "cheapest"
    """Which schedule the vehicle takes, and how it uses it: cheapest, fastest, greenest or first."""
    pause: float | None = None
    """In mid-charge the session is paused for so many minutes of the hardware's clock, and
    goes on; None: not at all."""
    renegotiate: str | None = None
    """A quarter of the way the vehicle asks for another schedule, ``stop-and-go`` or ``beside`` the charge
    loop, or chooses a ``service`` anew; None: it does not."""
    standby: float | None = None
    """A little later it stands by for so many minutes of the hardware's clock; None: it does not."""
    seed: int | None = None
    """Lets durations of the simulated hardware vary by up to a tenth, the same way for the same seed."""

    def __post_init__(self) -> None:
        choose("edition", self.edition, EDITIONS)
        for key in ("evcc_editions", "secc_editions"):
            if getattr(self, key) is None:
                force_setattr(self, key, (self.edition,))
            for edition in getattr(self, key):
                choose(key, edition, EDITIONS)
        choose("service", self.service, _BY_NAME, planned=_LATER_SERVICES)
        choose("auth", self.auth, ["eim", "pnc"])
        choose("control", self.control, [mode.name.lower() for mode in ControlMode])
        choose("link", self.link, ["none", "slac", "spe"])
        choose("transport", self.transport, ["tcp", "memory"])
        choose("choice", self.choice, [wish.name.lower() for wish in Wish])
        self._check_contracts()
        self._check_editions()
        self._check_schedule()
        self._fill_in()
        self._check_station()
        self._check_battery()
        if self.discharge_kwh is not None:
            self._check_discharge(self.discharge_kwh)
        if self.pause is not None:
            self._check_pause(self.pause)
        if self.renegotiate is not None:
            choose("renegotiate", self.renegotiate, RENEGOTIATIONS)
            self._check_iso20("renegotiate")
        if self.standby is not None:
            if not (math.isfinite(self.standby) and 0.0 < self.standby <= _LONGEST_PAUSE):
                raise ConfigError(
                    "standby", f"{self.standby!r} minutes are out of range", f"up to {_LONGEST_PAUSE:g}"
                )
            self._check_iso20("standby")

    def _fill_in(self) -> None:
        megawatt = self.service.startswith("mcs")
        if megawatt and self.link == "slac":
            raise ConfigError(
                "link",
                f"there is no SLAC on MCS, which service {self.service!r} needs: it has neither control pilot nor power line",
                "did you mean 'spe'?",
            )
        if self.tls is None and self.transport == "tcp":
            # DIN 70121 knows no TLS; whoever speaks another edition as well has it.
            force_setattr(self, "tls", not {("din",)} >= {self.evcc_editions, self.secc_editions})
        elif self.tls and self.transport == "memory":
            raise ConfigError(
                "tls", "there is no TLS on the memory transport, which has no network", "use transport tcp"
            )
        if (self.pantograph or self.wireless) and self.link != "none":
            raise ConfigError(
                "link",
                f"service {self.service!r} has no plug: vehicle and station talk over WLAN",
                "use link none",
            )
        if self.alternating and self.link == "spe":
            raise ConfigError(
                "link",
                f"service {self.service!r} has no single-pair Ethernet, which is of MCS: it has a control pilot",
                "did you mean 'slac'?",
            )
        if self.station is None:
            alternating = "ac-7-single" if self.phases == 1 else "ac-22"
            if self.wireless:
                alternating = "wpt-11"
            direct = {"an MCS": "mcs-gen1", "a pantograph's": "pantograph"}.get(
                _coupler(self.service), "ccs2"
            )
            force_setattr(self, "station", alternating if self.alternating or self.wireless else direct)
        if self.battery_kwh is None:
            packs = {"an MCS": 540.0, "a pantograph's": 350.0}
            usual = (
                20.0
                if self.wireless
                else 40.0
                if self.alternating
                else packs.get(_coupler(self.service), 90.0)
            )
            force_setattr(self, "battery_kwh", usual)

    def _check_contracts(self) -> None:
        if self.auth == "pnc" and self.tls is False:
            raise ConfigError(
                "auth", "there is no Plug and Charge without TLS", "leave tls on, or use auth eim"
            )
        if self.install_contract and self.auth != "pnc":
            raise ConfigError("install_contract", f"auth {self.auth!r} needs no contract", "use auth pnc")

    def _check_station(self) -> None:
        name = choose("station", self.station or "", [*PRESETS, *AC_PRESETS, *PAD_PRESETS])
        if self.wireless is not (name in PAD_PRESETS):
            kind, pads = ("a pad", PAD_PRESETS) if self.wireless else ("a wire", {**PRESETS, **AC_PRESETS})
            raise ConfigError(
                "station",
                f"service {self.service!r} needs {kind}, which {name!r} has not",
                f"one of {', '.join(pads)}",
            )
        if self.wireless:
            return
        if self.alternating is not (name in AC_PRESETS):
            kind, other = ("an AC outlet", AC_PRESETS) if self.alternating else ("a DC output", PRESETS)
            raise ConfigError(
                "station",
                f"service {self.service!r} needs {kind}, which {name!r} has not",
                f"one of {', '.join(other)}",
            )
        if self.alternating:
            self._check_phases(AC_PRESETS[name].limits.phases)
            return
        if self.phases is not None:
            raise ConfigError(
                "phases", f"service {self.service!r} has none", "leave it out, or use service ac"
            )
        has, lacks = _coupler(name), _coupler(self.service)
        if has == lacks:
            return
        fitting = [other for other in PRESETS if _coupler(other) == lacks]
        raise ConfigError(
            "station",
            f"{name!r} has {has} connector, and service {self.service!r} needs {lacks} one",
            f"did you mean {fitting[0]!r}? one of {', '.join(fitting)}",
        )

    def _check_phases(self, there: int) -> None:
        if self.phases is None:
            force_setattr(self, "phases", there)
        if self.phases not in (1, 3):
            raise ConfigError("phases", f"{self.phases!r} phases are not possible", "1 or 3")
        if self.phases > there:
            raise ConfigError("phases", f"station {self.station!r} has {there}", f"at most {there}")

    def _check_schedule(self) -> None:
        if self.schedule is None:
            return
        if self.transport != "memory":
            raise ConfigError(
                "schedule", "hours pass on the virtual clock only", "use transport memory, or leave it out"
            )
        if (
            "din" in {*(self.evcc_editions or ())} & {*(self.secc_editions or ())}
            and len(self.evcc_editions or ()) == 1
        ):
            raise ConfigError(
                "schedule", "DIN 70121 knows no schedules that a vehicle follows", "edition iso2 or iso20"
            )
        if self.control != "scheduled":
            raise ConfigError("schedule", "the station sets the power in Dynamic mode", "control scheduled")
        read_schedules(self.schedule)  # what is wrong with it is said before anything runs

    def _check_battery(self) -> None:
        for key in ("soc_start", "soc_target"):
            percent = getattr(self, key)
            if not 0.0 <= percent <= 100.0:
                raise ConfigError(key, f"{percent!r} is no state of charge", "0 to 100 percent")
        if self.soc_target <= self.soc_start:
            raise ConfigError(
                "soc_target",
                f"{self.soc_target:g} is not above soc_start = {self.soc_start:g}",
                "a greater one",
            )
        _check_amount("battery_kwh", self.battery_kwh, 1.0, "kWh")
        _check_amount("power_kw", self.power_kw, 1.0, "kW")
        _check_amount("discharge_kwh", self.discharge_kwh, 0.1, "kWh")

    def _check_discharge(self, wanted_kwh: float) -> None:
        if not self.energy_service.bidirectional:
            fitting = f"{self.service}-bpt"
            raise ConfigError(
                "discharge_kwh",
                f"service {self.service!r} only charges",
                f"did you mean service {fitting!r}?",
            )
        most_kwh = (self._soc_at(_LATEST_TURN) - self.minimum_soc) / 100.0 * (self.battery_kwh or 0.0) * 0.95
        if wanted_kwh > most_kwh:
            raise ConfigError(
                "discharge_kwh",
                f"{wanted_kwh:g} kWh are more than the battery holds above {self.minimum_soc:g} % when it is nearly charged",
                f"at most {most_kwh:.1f}",
            )

    def _check_pause(self, minutes: float) -> None:
        if not (math.isfinite(minutes) and 0.0 < minutes <= _LONGEST_PAUSE):
            raise ConfigError("pause", f"{minutes!r} minutes are out of range", f"up to {_LONGEST_PAUSE:g}")
        if "din" in {*(self.evcc_editions or ())} & {*(self.secc_editions or ())} and not (
            {"iso20", "iso2"} & {*(self.evcc_editions or ())} & {*(self.secc_editions or ())}
        ):
            raise ConfigError("pause", "DIN 70121 knows no pause", "edition iso2 or iso20")

    def _check_iso20(self, key: str) -> None:
        if not self.speaks_iso20:
            raise ConfigError(key, "is shown with ISO 15118-20 alone", "edition iso20")
        if self.link != "none":
            raise ConfigError(key, "there is none with a simulated link yet", "use link none")

    def _soc_at(self, share: float) -> float:
        return self.soc_start + share * (self.soc_target - self.soc_start)

    def _check_editions(self) -> None:
        """What is asked for and none of the editions that one side speaks could do."""
        if self.speaks_iso20:
            return
        if self.service not in ("dc", "ac"):
            raise ConfigError(
                "service", f"{self.service!r} is a service of ISO 15118-20 alone", "edition iso20"
            )
        if self.control != "scheduled":
            raise ConfigError(
                "control", "the older editions know no station that sets the power", "control scheduled"
            )
        if self.auth == "pnc" and "iso2" not in (self.evcc_editions or ()):
            raise ConfigError(
                "auth", "DIN 70121 knows no Plug and Charge", "auth eim, or edition iso2 or iso20"
            )

    # -- what follows from it ------------------------------------------------------------------------------

    @property
    def speaks_iso20(self) -> bool:
        """Both sides speak ISO 15118-20, and so TLS 1.3 if any."""
        return "iso20" in (self.evcc_editions or ()) and "iso20" in (self.secc_editions or ())

    @property
    def allows_plaintext(self) -> bool:
        """ISO 15118-20 without TLS, as in a laboratory: where nothing else is
        spoken and TLS was taken away."""
        return self.tls is False and self.evcc_editions == self.secc_editions == ("iso20",)

    @property
    def speaks_tls(self) -> bool:
        """Each side speaks an edition that knows TLS."""
        return all({"iso20", "iso2"} & set(side or ()) for side in (self.evcc_editions, self.secc_editions))

    @property
    def energy_service(self) -> EnergyService:
        """The service's entry in the registry."""
        return _BY_NAME[self.service]

    @property
    def control_mode(self) -> ControlMode:
        """Who sets the power."""
        return ControlMode[self.control.upper()]

    @property
    def alternating(self) -> bool:
        """The vehicle charges by its on-board charger."""
        return self.energy_service.id in OUTLET_SERVICES

    @property
    def pantograph(self) -> bool:
        """A connection device joins the two."""
        return self.energy_service.id in ACDP_SERVICES

    @property
    def wireless(self) -> bool:
        """Nothing joins the two."""
        return self.energy_service.id in WPT_SERVICES

    @property
    def pad(self) -> PadLimits:
        """The station's pad, with wireless power."""
        return PAD_PRESETS[self.station or ""]

    @property
    def receiver(self) -> ReceiverLimits:
        """The vehicle's coil."""
        watts = self.pad.maximum_power_w
        if self.power_kw is not None:
            watts = min(watts, self.power_kw * 1000.0)
        return ReceiverLimits(maximum_power_w=watts)

    @property
    def offers(self) -> tuple[ScheduleOffer, ...]:
        """What the file of schedules says; empty without one."""
        return () if self.schedule is None else read_schedules(self.schedule)

    @property
    def wish(self) -> Wish:
        """What the driver wants of a schedule."""
        return Wish[self.choice.upper()]

    @property
    def kind(self) -> StationPreset:
        """The station's power hardware, with DC."""
        return PRESETS[self.station or ""]

    @property
    def outlet(self) -> AcPreset:
        """The same with AC."""
        return AC_PRESETS[self.station or ""]

    @property
    def charger(self) -> AcVehicleLimits:
        """The vehicle's on-board charger."""
        amperes, phases = self.outlet.charger_a, self.phases or 1
        volts = self.outlet.limits.nominal_voltage_v
        if self.power_kw is not None:
            amperes = min(amperes, self.power_kw * 1000.0 / volts / phases)
        return AcVehicleLimits.of(
            current_a=amperes, phases=phases, discharge_a=amperes, nominal_voltage_v=volts
        )

    @property
    def capacity_wh(self) -> float:
        """Capacity of the battery in Wh."""
        return (self.battery_kwh or 0.0) * 1000.0

    @property
    def minimum_soc(self) -> float:
        """Nothing is given back below this state of charge, in percent."""
        return min(_LEAST_SOC, self.soc_start)

    @property
    def turn(self) -> float:
        """Share of the charge after which energy is taken back: half, or later if there is not
        enough in the battery by then."""
        needed = self.minimum_soc + (self.discharge_kwh or 0.0) / (self.battery_kwh or 1.0) * 100.0 / 0.95
        return max(0.5, min(_LATEST_TURN, (needed - self.soc_start) / (self.soc_target - self.soc_start)))

    @property
    def expected_s(self) -> float:
        """About how long energy will flow, in the hardware's time: for progress bars and the choice of a time
        scale, never for results."""
        if self.alternating:
            limits_w = sum(self.outlet.limits.maximum_charge_power_w)
            power_w = min(limits_w, sum(self.charger.maximum_charge_power_w))
        elif self.wireless:
            power_w = self.receiver.maximum_power_w
        else:
            limits = self.kind.limits
            power_w = min(limits.maximum_charge_power_w, limits.maximum_charge_current_a * 790.0)
        if self.power_kw is not None:
            power_w = min(power_w, self.power_kw * 1000.0)
        energy_wh = (self.soc_target - self.soc_start) / 100.0 * self.capacity_wh
        fastest_s = (energy_wh + 2000.0 * (self.discharge_kwh or 0.0)) / power_w * 3600.0
        return max([fastest_s, *(sum(lasts for lasts, _ in one.charging.entries) for one in self.offers)])


def _check_amount(key: str, value: float | None, least: float, unit: str) -> None:
    if value is not None and not (math.isfinite(value) and least <= value <= 10_000.0):
        raise ConfigError(key, f"{value!r} is out of range", f"{least:g} to 10000 {unit}")


if not TYPE_CHECKING:  # old names, for one release
    __getattr__ = renamed(__name__, {"LoopbackOrder": "LoopbackSpec"})
