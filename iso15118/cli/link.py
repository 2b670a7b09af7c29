"""The link that a file asks for, as parts for a station or a vehicle: machine, wire, and the
signalling that is assumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iso15118.aio.net.interface import require_interface
from iso15118.cli.terminal import echo_soon
from iso15118.connector.news import PhaseEntered, TimerLate
from iso15118.link.primitives import DLinkReady, LinkNote
from iso15118.session.actions import Action
from iso15118.settings.link import LinkSettings

if TYPE_CHECKING:
    from iso15118.aio.plug.connector import LinkParts
    from iso15118.aio.plug.plca import Plca
    from iso15118.link.ports import LinkMedium
    from iso15118.link.primitives import DataLink

__all__ = ["link_of", "tell_link"]


def link_of(settings: LinkSettings, interface: str, *, station: bool) -> Callable[[], LinkParts] | None:
    """Makes the parts within a running event loop, which may raise ``LinkError``; None where there is no
    plug. Raises ``LinkError`` for an interface that does not exist."""
    if not settings.plugged:
        return None
    where = settings.interface or interface
    for name in {interface, where}:
        # Behind a plug an address may come later, and is waited for; a name that is misspelt
        # would be waited for as well.
        require_interface(name)
    return lambda: _parts(settings, where, station=station)


def tell_link(news: Action, words: str = "iso15118") -> None:
    """What the link does, in words on stderr after ``words``."""
    match news:
        case PhaseEntered(phase=phase):
            text = phase.value
        case LinkNote(text=text):
            pass
        case TimerLate(timer=timer, after_s=after):
            text = f"late: {timer.value} of {after:g} s is over"
        case DLinkReady(link=link):
            text = f"D-LINK_READY({'link established' if link else 'no link'})"
        case _:
            return
    echo_soon(f"{words}: link: {text}", err=True)


def _parts(settings: LinkSettings, interface: str, *, station: bool) -> LinkParts:
    # Loaded where there is a plug: a station without one listens sooner.
    from iso15118.aio.plug.connector import LinkParts
    from iso15118.aio.plug.media import CarrierMedium, NoMedium, PacketMedium, mac_of
    from iso15118.link.plain import PlainLink
    from iso15118.link.slac.ev import EvSlac
    from iso15118.link.slac.evse import EvseSlac
    from iso15118.link.spe.ev import EvSpe
    from iso15118.link.spe.evse import EvseSpe
    from iso15118.simulation.assumed_pilot import AssumedStation, AssumedVehicle, Coding

    link: DataLink
    medium: LinkMedium
    coding = Coding.CONTROL_PILOT
    if settings.backend == "slac":
        machine = EvseSlac if station else EvSlac
        link = machine(mac_of(interface), settings=settings.slac, timing=settings.slac_timing)
        medium = PacketMedium(interface)
    elif settings.backend == "spe":
        link = EvseSpe(settings.spe) if station else EvSpe(settings.spe)
        medium = CarrierMedium(interface, _plca(settings, station=station))
        coding = Coding.CE
    else:
        link, medium = PlainLink(), NoMedium()
    if station:
        vehicle = AssumedVehicle(coding)
        return LinkParts(
            link=link,
            medium=medium,
            signalling=vehicle,
            settings=settings.connection,
            replug=vehicle.next_plug_in,
        )
    there = AssumedStation(coding)
    return LinkParts(
        link=link, medium=medium, signalling=there, settings=settings.connection, replug=there.start_again
    )


def _plca(settings: LinkSettings, *, station: bool) -> Plca | None:
    from iso15118.aio.plug.plca import COORDINATOR, VEHICLE_NODE, Plca

    plca = settings.plca
    if not plca.configure:
        return None
    own = COORDINATOR if station else VEHICLE_NODE
    return Plca(
        node_id=own if plca.node_id is None else plca.node_id,
        node_count=plca.node_count,
        to_timer=plca.to_timer,
        burst_count=plca.burst_count,
        burst_timer=plca.burst_timer,
    )
