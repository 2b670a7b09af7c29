"""What a session that only reads has learnt of a vehicle, for the charge by the duty cycle that follows."""

from __future__ import annotations

from iso15118.connector.basic.reading import Reading
from iso15118.session.actions import StateEntered, VehicleDisplay


def test_who_it_is_and_what_it_proved_is_kept_until_the_next_plug_in() -> None:
    reading = Reading()
    assert not reading.learn(StateEntered("SessionSetup"), "", "")
    assert not reading.learn(StateEntered("Authorization"), "WMI1", "WMIV1234")
    assert reading.learn(VehicleDisplay(present_soc=40), "", "")
    assert (reading.evccid, reading.certificate_name) == ("WMI1", "WMIV1234")
    assert reading.display.present_soc == 40
    reading.clear()
    assert (reading.evccid, reading.certificate_name) == ("", "")
    assert reading.display.present_soc is None
