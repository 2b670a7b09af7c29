"""The arbiter of several inlets: who may be joined to the battery, what each may have, and that it
forgets no inlet that is."""

from __future__ import annotations

import math
import random

import pytest

from iso15118.connector.inlets import ArbiterSettings, Inlet, InletArbiter
from iso15118.errors import ConfigError, MisuseError

MCS = Inlet(name="mcs", maximum_current_a=1500.0, maximum_power_w=1_250_000.0)
CCS = Inlet(name="ccs2", maximum_current_a=500.0, maximum_power_w=400_000.0)
BATTERY_A = 1600.0


def arbiter(*, several: bool = False) -> InletArbiter:
    return InletArbiter((MCS, CCS), ArbiterSettings(several=several))


def test_one_inlet_has_the_battery_until_its_contactors_are_seen_open() -> None:
    one = arbiter()
    one.begin("mcs")
    assert one.claim("mcs", 0.0, BATTERY_A) == ""
    assert "mcs is joined" in one.claim("ccs2", 1.0, BATTERY_A)
    one.end("mcs")  # the session is over, the contactors are not seen open: they may be welded
    assert "mcs is joined" in one.claim("ccs2", 2.0, BATTERY_A)
    assert one.share("ccs2") == 0.0
    one.opened("mcs")
    assert one.claim("ccs2", 3.0, BATTERY_A) == ""
    assert one.joined == ("ccs2",)


def test_contactors_that_close_unasked_count_too() -> None:
    one = arbiter()
    one.closed("ccs2")
    assert "ccs2 is joined" in one.claim("mcs", 0.0, BATTERY_A)


@pytest.mark.parametrize("several", [False, True])
def test_contactors_are_read_before_another_inlet_is_joined(several: bool) -> None:
    """They may be welded from before: no session of this process has closed them."""
    level: list[object] = [True]
    one = arbiter(several=several)
    one.watch("ccs2", lambda: level[0])
    assert "ccs2" in one.claim("mcs", 0.0, BATTERY_A)
    assert "mcs" not in one.joined
    one.opened("ccs2")
    level[0] = False
    assert one.claim("mcs", 0.0, BATTERY_A) == ""


@pytest.mark.parametrize("level", [None, 1, 0, "closed", math.nan])
def test_what_is_no_level_is_not_open(level: object) -> None:
    one = arbiter()
    one.watch("ccs2", lambda: level)
    assert "neither closed nor open" in one.claim("mcs", 0.0, BATTERY_A)
    one.watch("ccs2", lambda: 1 / 0)
    assert "cannot be read: ZeroDivisionError: division by zero" in one.claim("mcs", 0.0, BATTERY_A)
    one.watch("ccs2", lambda: False)
    assert one.claim("mcs", 0.0, BATTERY_A) == ""


def test_a_level_whose_error_cannot_be_shown_refuses_as_well() -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def level() -> object:
        raise UnprintableError

    one = arbiter()
    one.watch("ccs2", level)
    assert "cannot be read: UnprintableError" in one.claim("mcs", 0.0, BATTERY_A)


def test_an_inlet_alone_has_all_that_it_can_carry() -> None:
    one = arbiter()
    one.begin("ccs2")
    assert one.share("ccs2") == 1.0
    assert one.most_a("ccs2", BATTERY_A) == 500.0
    assert one.most_a("ccs2", 300.0) == 300.0
    assert one.most_w("ccs2", 1e6) == 400_000.0


def test_several_share_what_the_battery_takes() -> None:
    both = arbiter(several=True)
    both.begin("mcs")
    assert both.most_a("mcs", BATTERY_A) == 1500.0
    both.begin("ccs2")
    assert both.most_a("mcs", BATTERY_A) == 1200.0
    assert both.most_a("ccs2", BATTERY_A) == 400.0
    both.end("ccs2")
    assert both.most_a("mcs", BATTERY_A) == 1500.0


def test_a_second_inlet_waits_until_the_first_has_come_down_and_that_is_measured() -> None:
    both = arbiter(several=True)
    both.begin("mcs")
    assert both.claim("mcs", 0.0, BATTERY_A) == ""
    both.begin("ccs2")
    assert "was not measured" in both.claim("ccs2", 1.0, BATTERY_A)
    both.measured("mcs", 1500.0, 2.0)
    assert "has 1500 A and has to come down to 1200 A" in both.claim("ccs2", 2.1, BATTERY_A)
    both.measured("mcs", 1200.0, 3.0)
    assert "was not measured" in both.claim("ccs2", 4.5, BATTERY_A)  # that was then, and not now
    both.measured("mcs", math.nan, 4.5)
    assert "was not measured" in both.claim("ccs2", 4.5, BATTERY_A)
    both.measured("mcs", -1200.0, 5.0)
    assert both.claim("ccs2", 5.0, BATTERY_A) == ""
    assert both.joined == ("mcs", "ccs2")


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0, 0.0])
def test_of_what_is_no_current_there_is_no_share(nonsense: float) -> None:
    assert arbiter().most_a("mcs", nonsense) == 0.0


@pytest.mark.parametrize("several", [False, True])
def test_shares_are_never_more_than_the_battery_and_one_is_alone_where_only_one_may_be(several: bool) -> None:
    choices = random.Random(7)
    one = arbiter(several=several)
    shut: set[str] = set()
    for step in range(20_000):
        name = choices.choice(one.order)
        match choices.randrange(6):
            case 0:
                one.begin(name)
            case 1:
                one.end(name)
            case 2:
                if one.claim(name, float(step), BATTERY_A) == "":
                    shut.add(name)
            case 3:
                one.measured(name, choices.uniform(-2000.0, 2000.0), float(step))
            case 4:
                one.opened(name)
                shut.discard(name)
            case _:
                pass
        assert shut == set(one.joined)
        assert several or len(shut) <= 1
        active = {other for other in one.order if other in shut}
        assert sum(one.share(other) for other in active) <= 1.0 + 1e-9
        assert sum(one.most_a(other, BATTERY_A) for other in active) <= BATTERY_A + 1e-6


def test_what_is_no_arbiter_is_refused() -> None:
    with pytest.raises(ConfigError, match="no names of inlets"):
        InletArbiter(())
    with pytest.raises(ConfigError, match="no names of inlets"):
        InletArbiter((MCS, MCS))
    with pytest.raises(MisuseError, match="no inlet 'ac': mcs, ccs2"):
        arbiter().begin("ac")
    with pytest.raises(ConfigError, match="maximum_current_a"):
        Inlet(name="x", maximum_current_a=math.nan, maximum_power_w=1.0)
