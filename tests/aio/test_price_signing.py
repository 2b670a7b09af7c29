"""A provider's key that signs prices, over the network stack: one that takes long, raises or lies holds
up neither loop nor charge."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.price import AbsolutePrices, PriceRule, PriceRuleStack
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.pki.keys.signer import Signer, signer_of
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode
from iso15118.simulation import Battery, Timetable
from tests.pki.test_prices import issued

from .site import Plant, evcc_config, secc_config, site

BLOCKS_S = 3.0
PRICES = AbsolutePrices(
    begins=0.0, stacks=(PriceRuleStack(3600, (PriceRule(energy_fee=Decimal("0.3")),)),), currency="EUR"
)
OFFER = ScheduleOffer(charging=PowerOffer(entries=((86_400.0, 3_750_000.0),), prices=PRICES))


class Key:
    """A provider's key, and what it does before it signs: nothing, block, raise, or give something else."""

    def __init__(self, act: Callable[[Signer, bytes], Any]) -> None:
        self._real: Any = signer_of(issued().credential("mo-sub2"))
        self._act = act
        self.threads: list[str] = []

    algorithm = property(lambda self: self._real.algorithm)
    public_key = property(lambda self: self._real.public_key)
    chain = property(lambda self: self._real.chain)

    def sign(self, data: bytes) -> Any:
        self.threads.append(threading.current_thread().name)
        return self._act(self._real, data)


class Answers:
    """The ScheduleExchangeRes that the vehicle heard."""

    def __init__(self) -> None:
        self.all: list[cm.ScheduleExchangeRes] = []

    def __call__(self, now: float, what: Any) -> None:
        message = getattr(what, "message", None)
        if type(message) is cm.ScheduleExchangeRes:
            self.all.append(message)


async def charged(
    key: Key, *, control: ControlMode = ControlMode.SCHEDULED, key_use_s: float = 5.0
) -> list[cm.ScheduleExchangeRes]:
    """A whole session; what it was told about schedules."""
    plant = Plant(
        timetable=Timetable([OFFER], price_signers=[key]),
        battery=Battery(capacity_wh=50e6, soc=79.95, target_soc=80.0),
    )
    heard = Answers()
    config = secc_config(schedules=ScheduleSeccSettings(key_use_s=key_use_s))
    async with site(plant, config=config) as here:
        mine = await here.client(observer=heard, config=evcc_config(control_modes=(control,))).run()
        theirs = await here.server.wait_finished(1)
    for result in (mine, theirs):
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe
    return heard.all


async def test_a_key_that_blocks_for_three_seconds_does_not_stop_the_loop() -> None:
    """It goes on only when the loop has turned meanwhile: were it used on the loop, it would wait in vain."""
    turned = threading.Event()
    waited: list[bool] = []

    def block(real: Signer, data: bytes) -> bytes:
        waited.append(turned.wait(BLOCKS_S))
        return real.sign(data)

    async def turn() -> None:
        while not waited and not key.threads:  # noqa: ASYNC110 - it is set by a thread
            await asyncio.sleep(0.005)
        for _ in range(20):
            await asyncio.sleep(0.005)
        turned.set()

    key = Key(block)
    beside = asyncio.create_task(turn())
    told = await charged(key)
    await beside
    assert waited == [True]
    assert key.threads == ["iso15118 key: prices"]
    assert told[-1].evse_processing is Processing.Finished
    assert told[-1].header.signature is not None


async def test_a_key_that_hangs_is_waited_for_as_long_as_is_set_and_the_price_goes_out_unsigned() -> None:
    over = threading.Event()

    def hang(real: Signer, data: bytes) -> bytes:
        over.wait(60.0)
        return real.sign(data)

    try:
        told = await charged(Key(hang), key_use_s=0.3)
    finally:
        over.set()
    assert told[-1].evse_processing is Processing.Finished
    assert told[-1].header.signature is None
    mode: Any = told[-1].se_res_control_mode
    assert mode.schedule_tuple[0].charging_schedule.price_schedule is not None


def of_another_key(real: Signer, data: bytes) -> bytes:
    return signer_of(issued().credential("mo-sub1")).sign(data)


def of_something_else(real: Signer, data: bytes) -> bytes:
    return real.sign(data + b"!")


def raises(error: BaseException) -> Callable[[Signer, bytes], bytes]:
    def act(real: Signer, data: bytes) -> bytes:
        raise error

    return act


@pytest.mark.parametrize(
    "act",
    [
        raises(OSError("the token is gone")),
        raises(SystemExit(1)),
        raises(ZeroDivisionError()),
        lambda real, data: None,
        lambda real, data: "signed",
        lambda real, data: b"",
        lambda real, data: b"\0" * 132,
        of_something_else,
        of_another_key,
    ],
    ids=["raises", "ends", "divides", "None", "text", "empty", "zeros", "other octets", "other key"],
)
async def test_what_is_no_signature_of_its_key_is_left_out_and_the_vehicle_charges(
    act: Callable[[Signer, bytes], Any],
) -> None:
    (told, *more) = await charged(Key(act))
    assert not more
    assert told.evse_processing is Processing.Finished
    assert told.header.signature is None


async def test_in_dynamic_mode_there_is_no_price_and_no_key_is_used() -> None:
    key = Key(lambda real, data: real.sign(data))
    (told,) = await charged(key, control=ControlMode.DYNAMIC)
    assert isinstance(told.se_res_control_mode, cm.DynamicSEResControlMode)
    assert key.threads == []
