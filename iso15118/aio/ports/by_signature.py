"""Calls whose values depend on what the port takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iso15118.session.port_checks import signature_of

from .answers import once

if TYPE_CHECKING:
    from iso15118.session import actions as act

    from .guard import Port

__all__ = ["ask_terminal", "run_cable_check"]


def ask_terminal(terminal: Port, action: act.RequestAuthorization) -> Any:
    """With what the vehicle has proven, if the terminal wants to know that."""
    try:
        proven = terminal.look_up("authorize_vehicle")
    except AttributeError:
        return terminal.look_up("authorize")(action.evccid)
    return proven(action.evccid, action.certificate_name)


def run_cable_check(port: Port, action: act.StartCableCheck) -> Any:
    """Call it with the insulation threshold of the service, or without where a port of
    an older kind takes none."""
    run = port.look_up("run")
    try:
        takes_both = _binds(run, action.voltage_v, action.insulation_ohm)
    except ValueError:  # a builtin without a signature
        takes_both = True
    if takes_both:
        return run(action.voltage_v, action.insulation_ohm)
    once(
        "cable_check.run takes no insulation threshold (ohm) as its second value; from version 0.2 on it has to"
    )
    return run(action.voltage_v)


def _binds(method: Callable[..., Any], *values: object) -> bool:
    try:
        signature_of(method).bind(*values)
    except TypeError:
        return False
    return True
