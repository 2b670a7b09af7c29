"""The monitor of a vehicle that is an energy resource: what its inverter is told to
follow against what was agreed on.

It learns that from the messages: the functions of the parameter set that was chosen, or
those that the vehicle declared.
"""

from __future__ import annotations

from typing import Any

from iso15118.energy.grid_functions import IecGridCode
from iso15118.session import actions as act

from .violation import SafetyViolation

__all__ = ["GridMonitor"]

_IEC, _SAE = 10, 11


class GridMonitor:
    """Watches one vehicle's session."""

    def __init__(self) -> None:
        self._service = 0
        self._offered: dict[int, int] = {}
        self._functions = 0
        self._follows = False

    def received(self, message: Any) -> None:
        """A message of the station."""
        if type(message).__name__ == "ServiceDetailRes" and hasattr(message, "service_parameter_list"):
            sets = getattr(message.service_parameter_list, "parameter_set", ())
            if getattr(message, "service_id", 0) == _IEC:
                self._offered = {
                    one.parameter_set_id: next(
                        (said.int_value for said in one.parameter if said.name == "DERControlFunctions"), 0
                    )
                    for one in sets
                }

    def sent(self, message: Any) -> None:
        """A message of the vehicle."""
        match type(message).__name__:
            case "ServiceSelectionReq":
                chosen = message.selected_energy_transfer_service
                self._service, self._follows = chosen.service_id, False
                self._functions = self._offered.get(chosen.parameter_set_id, 0) or 0
            case "ACChargeParameterDiscoveryReq" if self._service == _SAE:
                mode = message.ac_cpd_req_energy_transfer_mode
                self._functions = getattr(mode, "supported_modes", 0)
            case _:
                pass

    def act(self, action: act.Action) -> None:
        """What the hardware is asked for."""
        match action:
            case act.FollowGrid(code=code, set_point=set_point):
                if code is None:
                    self._follows = False
                    return
                told = int(code.functions if isinstance(code, IecGridCode) else code.enabled)
                if self._service and told & ~self._functions:
                    raise SafetyViolation(
                        f"the inverter follows functions {told & ~self._functions:#x} that were not agreed on"
                    )
                if self._service == _IEC and set_point.within(self._functions) != set_point:
                    raise SafetyViolation(f"the inverter follows {set_point}, which was not agreed on")
                self._follows = True
            case act.SetCharger(bounds=bounds):
                if self._service in (_IEC, _SAE) and any(bounds.power_w) and not self._follows:
                    raise SafetyViolation("power before the inverter was told its grid code")
            case _:
                pass
