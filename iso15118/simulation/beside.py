"""Services beside energy at simulated hardware: what a station offers and what a vehicle wants, as ports."""

from __future__ import annotations

from iso15118.session.value_added import ValueAddedService, WantedService

__all__ = ["Offers", "Wishes", "offers", "wishes"]


class Offers:
    """Of a station; always the same ones."""

    def __init__(self, services: tuple[ValueAddedService, ...]) -> None:
        self.services = services


class Wishes:
    """Of a vehicle; always the same ones."""

    def __init__(self, wanted: tuple[WantedService, ...]) -> None:
        self.wanted = wanted


def offers(services: tuple[ValueAddedService, ...]) -> Offers | None:
    """The port of a station; None where there are none."""
    return Offers(services) if services else None


def wishes(wanted: tuple[WantedService, ...]) -> Wishes | None:
    """The port of a vehicle; None where it wants none."""
    return Wishes(wanted) if wanted else None
