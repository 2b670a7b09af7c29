"""What a high-level session that only reads wants to know, and when it has learnt it: who the vehicle says it
is, and its state of charge.

No energy flows in such a session. ISO 15118-2 and DIN 70121 tell the state of charge with the DC charge
parameters; in ISO 15118-20 nothing is told of it before power flows, so that only the EVCCID is read.
"""

from __future__ import annotations

from iso15118.session.actions import ChargingNeeds, Notify, VehicleDisplay

__all__ = ["Reading"]


class Reading:
    """Told the news of the session (``learn``), which is then to be ended by ``StopRequested``. One
    plug-in; ``clear`` begins anew."""

    def __init__(self) -> None:
        self.evccid = ""
        """As the vehicle introduces itself, which anybody can; empty: not said."""
        self.certificate_name = ""
        """What it proved in TLS, if anything."""
        self.display = VehicleDisplay()
        """State of charge and the like; None where nothing was said."""

    def clear(self) -> None:
        """Another vehicle, or the same one again."""
        self.evccid = self.certificate_name = ""
        self.display = VehicleDisplay()

    def learn(self, news: Notify, evccid: str, certificate_name: str) -> bool:
        """Take one piece of news, and who the vehicle is as the session has it now; True once there is
        nothing more to be learnt."""
        self.evccid = evccid or self.evccid
        self.certificate_name = certificate_name or self.certificate_name
        if isinstance(news, VehicleDisplay):
            self.display = news
            return news.present_soc is not None
        # It has said what it needs: what it has not told by now it tells when power flows only.
        return isinstance(news, ChargingNeeds)
