# mypy: ignore-errors
"""The other side of the interop runs: starts the PyPI package ``iso15118`` as EVCC or SECC; run by the
Python of its own environment.

Messages, sequence, timers and TLS are the package's. What is given to it here is an application: its
simulators as they are ("shipped"), the same with figures that a battery and a station could have
("plausible"), these with energy flowing back for a while ("reversing"), or with a vehicle that goes by its
simulator's name and not its certificate's ("misnamed").
"""

import asyncio
import json
import os
import sys

from iso15118.evcc.controller.simulator import SimEVController
from iso15118.evcc.evcc_config import load_from_file
from iso15118.secc.controller.interface import ServiceStatus
from iso15118.secc.controller.simulator import SimEVSEController
from iso15118.secc.secc_settings import Config as SeccEnvironment
from iso15118.shared.exificient_exi_codec import ExificientEXICodec
from iso15118.shared.messages.datatypes import (
    DCEVSEChargeParameter,
    EVSENotification,
    PVEVMaxCurrentLimit,
    PVEVMaxVoltageLimit,
    PVEVSEMaxCurrentLimit,
    PVEVSEMaxPowerLimit,
    PVEVSEMaxVoltageLimit,
    PVEVSEMinCurrentLimit,
    PVEVSEMinVoltageLimit,
    PVEVSEPeakCurrentRipple,
    PVEVTargetCurrent,
    PVEVTargetVoltage,
)
from iso15118.shared.messages.enums import ControlMode, Namespace, ParameterName
from iso15118.shared.messages.iso15118_20.common_messages import SelectedEnergyService
from iso15118.shared.messages.iso15118_20.common_types import RationalNumber
from iso15118.shared.messages.iso15118_20.dc import (
    BPTDCChargeParameterDiscoveryResParams,
    BPTDynamicDCChargeLoopReqParams,
    BPTScheduledDCChargeLoopReqParams,
    DCChargeParameterDiscoveryResParams,
    DynamicDCChargeLoopReqParams,
    ScheduledDCChargeLoopReqParams,
)

from iso15118.evcc import Config as EvccEnvironment
from iso15118.evcc import EVCCHandler
from iso15118.secc import SECCHandler

BATTERY_V = 400
CURRENT_A = 50
ASKING = 12  # turn in which a station asks for something
PHASE_W = 3000  # that a station of AC asks for on each phase
REVERSED = range(10, 25)  # turns of the charge loop in which energy flows back, where it is to
RAMP_V = 150  # volts that the station's output gains from one pre-charge turn to the next


def rational(number):
    return RationalNumber.get_rational_repr(number)


class PlausibleVehicle(SimEVController):
    """A battery of 400 V that takes 50 A (reversing: gives 25 A), the control mode it was told to
    choose, its certificate's name."""

    def __init__(self, config, order):
        super().__init__(config)
        self._mode = ControlMode[order["control"].upper()]
        self._reversing = order["figures"] == "reversing"
        self._evccid = None if order["figures"] == "misnamed" else order["evccid"]
        self._turn = 0
        older = self.dc_ev_charge_params  # of ISO 15118-2 and DIN 70121
        older.dc_max_current_limit = PVEVMaxCurrentLimit(multiplier=0, value=2 * CURRENT_A, unit="A")
        older.dc_max_voltage_limit = PVEVMaxVoltageLimit(multiplier=0, value=BATTERY_V + 50, unit="V")
        older.dc_target_voltage = PVEVTargetVoltage(multiplier=0, value=BATTERY_V, unit="V")

    async def get_evcc_id(self, protocol, iface):
        edition_20 = protocol.ns.startswith(Namespace.ISO_V20_BASE)  # it asks for the one of -2 as well
        return (edition_20 and self._evccid) or await super().get_evcc_id(protocol, iface)

    async def select_energy_service_v20(self, services):
        service = services[0]
        for one in service.parameter_sets:
            for parameter in one.parameters:
                if parameter.name == ParameterName.CONTROL_MODE and parameter.int_value == self._mode.value:
                    return SelectedEnergyService(
                        service=service.service, is_free=service.is_free, parameter_set=one
                    )
        raise LookupError(f"{self._mode} is not offered")

    async def is_precharged(self, present_voltage_evse):
        there = abs(present_voltage_evse.get_decimal_value() - BATTERY_V) < 10
        if there:  # until now 1 A was asked for, as pre-charge has it
            older = self.dc_ev_charge_params
            older.dc_target_current = PVEVTargetCurrent(multiplier=0, value=CURRENT_A, unit="A")
            older.dc_target_voltage = PVEVTargetVoltage(multiplier=0, value=BATTERY_V + 20, unit="V")
        return there

    async def get_present_voltage(self):
        return rational(BATTERY_V)

    async def get_target_voltage(self):
        return rational(BATTERY_V)

    async def get_scheduled_dc_charge_loop_params(self):
        return ScheduledDCChargeLoopReqParams(
            ev_target_current=rational(CURRENT_A), ev_target_voltage=rational(BATTERY_V + 20)
        )

    async def get_dynamic_dc_charge_loop_params(self):
        return DynamicDCChargeLoopReqParams(
            departure_time=7200,
            ev_target_energy_request=rational(20_000),
            ev_max_energy_request=rational(30_000),
            ev_min_energy_request=rational(1_000),
            ev_max_charge_power=rational(25_000),
            ev_min_charge_power=rational(100),
            ev_max_charge_current=rational(CURRENT_A),
            ev_max_voltage=rational(BATTERY_V + 20),
            ev_min_voltage=rational(200),
        )

    async def get_bpt_scheduled_dc_charge_loop_params(self):
        charge = await self.get_scheduled_dc_charge_loop_params()
        self._turn += 1
        if self._reversing and self._turn in REVERSED:
            charge.ev_target_current = rational(-CURRENT_A / 2)
        return BPTScheduledDCChargeLoopReqParams(**charge.dict())

    async def get_bpt_dynamic_dc_charge_loop_params(self):
        charge = await self.get_dynamic_dc_charge_loop_params()
        return BPTDynamicDCChargeLoopReqParams(
            **charge.dict(),
            ev_max_discharge_power=rational(10_000),
            ev_min_discharge_power=rational(100),
            ev_max_discharge_current=rational(25),
        )


class PlausibleStation(SimEVSEController):
    """50 kW at up to 500 V whose output follows the target, and falls to nothing when it is stopped;
    reversing, it asks for 10 kW."""

    def __init__(self, reversing, asks=""):
        super().__init__()
        self._reversing = reversing
        self._asks = asks  # ReNegotiation or StopCharging of ISO 15118-2, told once
        self._turn = 0
        self._told = 0

    async def get_dc_evse_status(self):
        return self._asking(await super().get_dc_evse_status(), self._turn == ASKING)

    async def get_ac_evse_status(self):
        self._told += 1
        return self._asking(await super().get_ac_evse_status(), self._told == ASKING)

    def _asking(self, status, now):
        if now and self._asks:
            status.evse_notification = EVSENotification(self._asks)
            self._asks = ""
        return status

    async def get_dc_charge_loop_params_v20(self, control_mode, selected_service):
        self._turn += 1
        limits = self.evse_data_context.session_limits.dc_limits
        if self._reversing:
            back = self._turn in REVERSED
            limits.max_charge_power = 0 if back else 50_000
            limits.min_discharge_power = 10_000 if back else 0
        return await super().get_dc_charge_loop_params_v20(control_mode, selected_service)

    async def get_ac_charge_loop_params_v20(self, control_mode, selected_service):
        limits = self.evse_data_context.session_limits.ac_limits
        for phase in ("", "_l2", "_l3"):
            setattr(limits, f"max_charge_power{phase}", PHASE_W)
            for other in ("discharge_power", "charge_reactive_power", "discharge_reactive_power"):
                setattr(limits, f"max_{other}{phase}", 0)
        return await super().get_ac_charge_loop_params_v20(control_mode, selected_service)

    async def get_dc_charge_params_v20(self, energy_service):
        charge = {
            "evse_max_charge_power": rational(50_000),
            "evse_min_charge_power": rational(0),
            "evse_max_charge_current": rational(125),
            "evse_min_charge_current": rational(0),
            "evse_max_voltage": rational(500),
            "evse_min_voltage": rational(150),
        }
        if energy_service.name == "DC":
            return DCChargeParameterDiscoveryResParams(**charge)
        return BPTDCChargeParameterDiscoveryResParams(
            **charge,
            evse_max_discharge_power=rational(20_000),
            evse_min_discharge_power=rational(0),
            evse_max_discharge_current=rational(50),
            evse_min_discharge_current=rational(0),
        )

    async def get_dc_charge_parameters(self):  # of ISO 15118-2 and DIN 70121
        return DCEVSEChargeParameter(
            dc_evse_status=await self.get_dc_evse_status(),
            evse_maximum_power_limit=await self.get_evse_max_power_limit(),
            evse_maximum_current_limit=await self.get_evse_max_current_limit(),
            evse_maximum_voltage_limit=await self.get_evse_max_voltage_limit(),
            evse_minimum_current_limit=PVEVSEMinCurrentLimit(multiplier=0, value=0, unit="A"),
            evse_minimum_voltage_limit=PVEVSEMinVoltageLimit(multiplier=0, value=150, unit="V"),
            evse_peak_current_ripple=PVEVSEPeakCurrentRipple(multiplier=0, value=1, unit="A"),
        )

    async def get_evse_max_voltage_limit(self):
        return PVEVSEMaxVoltageLimit(multiplier=0, value=500, unit="V")

    async def get_evse_max_current_limit(self):
        return PVEVSEMaxCurrentLimit(multiplier=0, value=125, unit="A")

    async def get_evse_max_power_limit(self):
        return PVEVSEMaxPowerLimit(multiplier=1, value=5000, unit="W")

    async def send_charging_command(
        self, ev_target_voltage, ev_target_current, _bidirectional=False, *, is_precharge=False, **_more
    ):
        now = self.evse_data_context
        if is_precharge:
            ev_target_current = 0
        elif self._asks:
            self._turn += 1
        if ev_target_voltage is None:  # Dynamic: the station chooses
            ev_target_current = self.ev_data_context.session_limits.dc_limits.max_charge_current
        elif not ev_target_current:  # pre-charge, and the end of the loop
            now.present_voltage = min(ev_target_voltage, now.present_voltage + RAMP_V)
        now.present_current = min(ev_target_current or 0, 125, 50_000 / max(now.present_voltage, 1))

    async def stop_charger(self):
        self.evse_data_context.present_voltage = 0
        self.evse_data_context.present_current = 0


async def vehicle(order):
    environment = EvccEnvironment()
    environment.load_envs()
    config = await load_from_file(environment.ev_config_file_path)
    controller = SimEVController(config) if order["figures"] == "shipped" else PlausibleVehicle(config, order)
    handler = EVCCHandler(
        evcc_config=config,
        iface=environment.iface,
        exi_codec=ExificientEXICodec(),
        ev_controller=controller,
    )
    await handler.start()


async def station(order):
    environment = SeccEnvironment()
    environment.load_envs()
    reversing = order["figures"] == "reversing"
    controller = (
        SimEVSEController()
        if order["figures"] == "shipped"
        else PlausibleStation(reversing, order.get("asks", ""))
    )
    await controller.set_status(ServiceStatus.STARTING)
    handler = SECCHandler(exi_codec=ExificientEXICodec(), evse_controller=controller, config=environment)
    await handler.start(environment.iface)


if __name__ == "__main__":
    asked = json.loads(os.environ["INTEROP_ORDER"])
    asyncio.run({"evcc": vehicle, "secc": station}[sys.argv[1]](asked))
