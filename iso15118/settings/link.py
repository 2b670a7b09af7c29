"""The table of the data link: which one, on which interface, its timers and thresholds, and where the
basic signalling comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from iso15118.connector import ConnectorSettings
from iso15118.errors import ConfigError
from iso15118.link.slac.settings import SlacSettings, SlacTiming
from iso15118.link.spe.settings import SpeSettings
from iso15118.ranges import Ranged, check_fields

__all__ = ["LinkSettings", "PlcaSettings", "check_link"]

Byte = Annotated[int, Meta(ge=0, le=255)]


class PlcaSettings(Struct, frozen=True, kw_only=True):
    """PLCA of a 10BASE-T1S transceiver, set through ethtool netlink where its driver offers it."""

    configure: bool = True
    """Set it when the link is switched on; a driver that offers none is named in
    the log and works without."""
    node_id: Annotated[int, Meta(ge=0, le=254)] | None = None
    """Own node; absent: 0 for a station, which coordinates, and 1 for a vehicle."""
    node_count: Annotated[int, Meta(ge=1, le=255)] = 8
    """Transmit opportunities in a cycle; used by node 0 only."""
    to_timer: Byte = 32
    """Length of a transmit opportunity in bit times. Unsettled: the usual default, no public source
    has a value of ISO 15118-10."""
    burst_count: Byte = 0
    """Frames beyond the first in one opportunity. Unsettled, as ``to_timer`` is."""
    burst_timer: Byte = 128
    """Wait for another frame of a burst in bit times. Unsettled, as ``to_timer`` is."""

    def __post_init__(self) -> None:
        check_fields(self, "plca")
        if self.node_id is not None and self.node_id >= self.node_count:
            raise ConfigError(
                "node_id",
                f"node {self.node_id} has no opportunity among {self.node_count}",
                "a smaller number, or a larger node_count at both ends",
            )


class LinkSettings(Ranged, frozen=True, kw_only=True):
    """The data link below IP, and the basic signalling that starts it."""

    backend: Literal["none", "slac", "spe"] = "none"
    """"none": the interface is taken as it is found; "slac": HomePlug Green PHY behind a modem
    (CCS); "spe": 10BASE-T1S (MCS)."""
    signalling: Literal["none", "simulated"] = "none"
    """Control pilot, or CE on MCS: "simulated" presumes a peer that is plugged in and takes part; real
    ones are ports of a program. "none" goes with backend "none" only: then there is no plug, and
    discovery is answered all the time."""
    interface: str | None = None
    """Network interface of modem or transceiver; absent: the file's interface."""
    connection: ConnectorSettings = field(default_factory=ConnectorSettings)
    slac: SlacSettings = field(default_factory=SlacSettings)
    slac_timing: SlacTiming = field(default_factory=SlacTiming)
    spe: SpeSettings = field(default_factory=SpeSettings)
    plca: PlcaSettings = field(default_factory=PlcaSettings)

    @property
    def plugged(self) -> bool:
        """There is a plug: sessions begin and end with it."""
        return self.signalling != "none"


def check_link(settings: LinkSettings, *, megawatt: bool, alternating: bool, why: str) -> None:
    """Refuse what cannot work: a link that nothing starts, SLAC on MCS, which has no control pilot,
    and a duty cycle that says the current of anything but AC. ``why`` names the key that says what it
    is. Raises ``ConfigError``."""
    if settings.connection.basic.wanted:
        if not alternating:
            raise ConfigError(
                "link.connection.basic.mode",
                f"the duty cycle says the current of AC alone, which {why} does not ask for",
                'an AC preset or charger, or mode "off"',
            )
        if not settings.plugged:
            raise ConfigError(
                "link.connection.basic.mode",
                "there is no control pilot",
                'link.signalling = "simulated", or mode "off"',
            )
    if settings.backend == "spe" and alternating:
        raise ConfigError(
            "link.backend",
            f"single-pair Ethernet is of MCS, and {why} asks for AC, which has a control pilot",
            "did you mean 'slac'?",
        )
    if settings.backend != "none" and not settings.plugged:
        raise ConfigError(
            "link.signalling",
            f"backend {settings.backend!r} begins with the basic signalling, and there is none",
            'write "simulated", or give PluggedSecc or PluggedEvcc a port of your own',
        )
    if settings.backend == "slac" and megawatt:
        raise ConfigError(
            "link.backend",
            f"there is no SLAC on MCS, which {why} asks for: it has neither control pilot nor power line",
            "did you mean 'spe'?",
        )
