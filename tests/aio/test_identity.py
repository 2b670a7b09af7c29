"""New certificates in a running server, a warning before the old ones end, and none that has ended at the
start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iso15118.aio.contract_store import ThreadedContracts
from iso15118.aio.identity import ExpiryWatch, RenewableTls, anchors_of, chains_of
from iso15118.aio.logs import flush
from iso15118.errors import ConfigError, LinkError, PkiError, TlsError
from iso15118.pki import Store, issue_test_pki
from iso15118.pki.issue import issue_leaf
from iso15118.pki.parsed import parse
from iso15118.pki.renewal import Expiry, check_identity
from iso15118.pki.vehicle_contracts import StoredContracts
from iso15118.tls import TlsPort
from tests.tls.rig import NOW, car, issued, station

from .site import Plant, site
from .test_sessions_dropped import Charging

PKI = issued()
OTHER = issue_test_pki("iso20", "p521", at=NOW)
"""Another operator's roots and chains, with the same names."""


async def test_new_connections_get_the_new_certificates_and_a_session_that_runs_goes_on() -> None:
    tls = RenewableTls(station(PKI), clock=lambda: NOW)
    plant = Plant()
    async with site(plant, tls=tls) as here:
        first = Charging(here)
        await first.under_power(plant)
        here.server.renew(station(OTHER))
        await asyncio.sleep(0.05)
        assert first.client.session is not None
        assert first.client.session.state == "DC_ChargeLoop"
        first.client.stop("enough")
        done = await first.task
        assert done.safe
        assert done.tls is not None
        assert done.tls.peer_chain[0] == PKI.secc.chain[0]
        with pytest.raises((LinkError, TlsError)):
            await here.client().run()  # trusts the old root only, and is trusted by nobody now
        result = await here.charge(tls=car(OTHER))
        assert result.tls is not None
        assert result.tls.peer_chain[0] == OTHER.vehicle.chain[0]


def test_what_cannot_take_its_place_changes_nothing() -> None:
    clock = {"now": NOW}
    old = station(PKI)
    tls = RenewableTls(old, clock=lambda: clock["now"])
    assert (tls.role, tls.source) == ("server", old)
    with pytest.raises(ConfigError, match="client's context"):
        tls.renew(car(PKI))
    clock["now"] = NOW + timedelta(days=400)
    with pytest.raises(ConfigError, match="expired"):
        tls.renew(station(OTHER))
    assert tls.source is old
    clock["now"] = NOW
    tls.renew(RenewableTls(TlsPort([station(PKI), station(OTHER)]), clock=lambda: NOW))
    assert "TlsPort(iso20, iso20)" in repr(tls)
    assert chains_of(tls) == (PKI.secc.chain, OTHER.secc.chain)
    assert anchors_of(tls) == (PKI.oem_root, OTHER.oem_root)


def test_an_own_leaf_that_has_expired_is_refused_with_the_way_out() -> None:
    late = NOW + timedelta(days=200)
    with pytest.raises(
        ConfigError, match=r"tls: the certificate of ours DC=CPO.*expired.*days ago.*iso15118 pki issue"
    ):
        RenewableTls(station(PKI), clock=lambda: late).check()
    check_identity([PKI.secc.chain], datetime(1970, 1, 1, tzinfo=UTC), key="tls")  # no clock is set yet


def test_the_end_of_a_certificate_is_said_fourteen_days_ahead_and_each_day_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    end = parse(PKI.secc.chain[0]).not_after
    now = end - timedelta(days=15)
    told: list[Expiry] = []
    watch = ExpiryWatch(lambda: station(PKI), news=told.append, clock=lambda: now)
    assert watch.look() == ()
    now = end - timedelta(days=13)
    (one,) = watch.look()
    assert (one.kind, one.expired, one.not_after) == ("own", False, end)
    flush()
    assert "renew it" in caplog.text
    watch.look()
    now += timedelta(hours=25)
    watch.look()
    assert len(told) == 2
    now = end + timedelta(days=1)
    watch.look()
    assert told[-1].expired
    assert "expired on" in str(told[-1])


def test_a_shorter_notice_and_a_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    end = parse(PKI.secc.chain[0]).not_after

    def fails(expiry: Expiry) -> None:
        raise RuntimeError

    watch = ExpiryWatch(
        lambda: station(PKI), ahead=timedelta(days=3), news=fails, clock=lambda: end - timedelta(days=5)
    )
    assert watch.look() == ()
    watch = ExpiryWatch(lambda: station(PKI), news=fails, clock=lambda: end - timedelta(days=5))
    assert len(watch.look()) == 1
    flush()
    assert "the listener to expiries failed" in caplog.text
    assert ExpiryWatch(lambda: None).look() == ()


async def test_a_contract_is_kept_without_holding_up_the_loop(tmp_path: Path) -> None:
    store = Store(tmp_path, passphrase=b"correct horse")
    contracts = ThreadedContracts(StoredContracts(store))
    older, newer = (
        issue_leaf(PKI, "contract", "c", at=NOW + timedelta(days=days)).credential("c") for days in (0, 1)
    )
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await contracts.store(newer)
    ticking.cancel()
    assert ticks > 2
    assert [one.chain for one in contracts.present.signers] == [newer.chain]
    with pytest.raises(PkiError, match="newer"):
        await contracts.store(older)
