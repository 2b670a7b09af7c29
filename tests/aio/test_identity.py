"""New certificates in a running server, a warning before the old ones end, and none that has ended at the
start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio.identity import (
    ExpiryWatch,
    RenewableTls,
    anchors_of,
    chains_of,
    follow_files,
    roots_of,
)
from iso15118.aio.logs import flush
from iso15118.aio.ports.contract_calls import StoreCalls
from iso15118.aio.ports.contract_store import ThreadedContracts
from iso15118.aio.run import side_by_side
from iso15118.errors import ConfigError, LinkError, PkiError, TlsError
from iso15118.files import write_whole
from iso15118.pki import IssuedPki, Store, issue_test_pki
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import issue_leaf, key_pem, pem
from iso15118.pki.keys.protect import opened_key
from iso15118.pki.status.renewal import Expiry, check_identity
from iso15118.pnc.vehicle_contracts import StoredContracts
from iso15118.settings.identity import read_material, state_of_material
from iso15118.settings.parts import TlsSettings
from iso15118.settings.trust import secc_context
from iso15118.tls import TlsContext, TlsPort
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
    flush(60.0)
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
    flush(60.0)
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


async def test_a_driver_keeps_contracts_in_a_thread_and_the_next_session_finds_them_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program gives it to its vehicle, without anything around it."""
    threads: dict[str, list[int]] = {"written": [], "opened": []}
    write, opened = write_whole, opened_key

    def noted_write(*values: Any, **options: Any) -> None:
        threads["written"].append(threading.get_ident())
        write(*values, **options)

    def noted_key(data: bytes, passphrase: bytes | None) -> bytes:
        threads["opened"].append(threading.get_ident())
        return opened(data, passphrase)

    monkeypatch.setattr("iso15118.pki.store.write_whole", noted_write)
    monkeypatch.setattr("iso15118.pki.store_reading.opened_key", noted_key)
    contracts = StoredContracts(Store(tmp_path, passphrase=b"correct horse"))
    calls = StoreCalls(asyncio.get_running_loop(), contracts, 60.0)
    made = issue_leaf(PKI, "contract", "c", at=NOW).credential("c")
    calls.keep(made)
    await calls.settled()
    assert [one.chain for one in contracts.present.signers] == [made.chain]
    for what, seen in threads.items():
        assert seen, what
        assert threading.get_ident() not in seen, what


def keys_in(folder: Path, pki: IssuedPki) -> None:
    """The files of a station, one after the other as an operator copies them."""
    (folder / "secc.key").touch(0o600)
    (folder / "secc.key").write_bytes(key_pem(pki.secc.key))
    (folder / "secc.pem").write_text("".join(map(pem, (*pki.secc.chain, pki.v2g_root))))
    (folder / "oem.pem").write_text(pem(pki.oem_root))


@contextmanager
def followed(folder: Path) -> Iterator[RenewableTls]:
    """A station's TLS by its files, looked at all the time."""
    settings = TlsSettings(
        certificate=folder / "secc.pem",
        key=folder / "secc.key",
        chain=folder / "secc.pem",
        anchors=(folder / "oem.pem",),
    )

    def made() -> TlsContext:
        return secc_context(read_material(settings, "secc"))

    began = state_of_material(settings)
    tls = RenewableTls(made(), clock=lambda: NOW)
    task = asyncio.get_running_loop().create_task(
        follow_files(tls, lambda: state_of_material(settings), made, began_with=began, every_s=0.01)
    )
    try:
        yield tls
    finally:
        task.cancel()


async def comes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20.0):
        while not condition():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.01)


async def test_files_that_were_changed_count_for_new_connections(tmp_path: Path) -> None:
    keys_in(tmp_path, PKI)
    with followed(tmp_path) as tls:
        old = tls.source
        assert (chains_of(tls), anchors_of(tls), roots_of(tls)) == (
            (PKI.secc.chain,),
            (PKI.oem_root,),
            (PKI.v2g_root,),
        )
        await asyncio.sleep(0.1)
        assert tls.source is old
        keys_in(tmp_path, OTHER)
        await comes(lambda: anchors_of(tls) == (OTHER.oem_root,) and chains_of(tls) == (OTHER.secc.chain,))
        assert roots_of(tls) == (OTHER.v2g_root,)


async def test_files_that_do_not_fit_change_nothing_and_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def said(words: str) -> bool:
        flush(60.0)
        return words in caplog.text

    keys_in(tmp_path, PKI)
    with followed(tmp_path) as tls:
        old = tls.source
        (tmp_path / "secc.key").write_bytes(key_pem(OTHER.secc.key))
        await comes(lambda: said("do not belong together"))
        (tmp_path / "secc.key").unlink()
        await comes(lambda: said("No such file or directory"))
        assert tls.source is old
        keys_in(tmp_path, OTHER)
        await comes(lambda: chains_of(tls) == (OTHER.secc.chain,))
    assert caplog.text.count("No such file") == 1, "said once, not a hundred times a second"
    assert "PRIVATE KEY" not in caplog.text


async def test_what_runs_beside_a_station_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    turns = [0, 0]

    async def fails() -> None:
        turns[0] += 1
        raise OSError("no network")

    async def goes_on() -> None:
        while True:
            turns[1] += 1
            await asyncio.sleep(0.01)

    task = asyncio.get_running_loop().create_task(side_by_side(fails, goes_on))
    await comes(lambda: turns[1] > 3)
    task.cancel()
    await asyncio.wait((task,), timeout=20.0)
    assert task.cancelled()
    stopped = turns[1]
    await asyncio.sleep(0.05)
    assert turns == [1, stopped]
    flush(60.0)
    assert "what runs beside the station failed: no network" in caplog.text
    await side_by_side()


def test_both_roles_load_nothing_about_certificates_before_there_is_one() -> None:
    code = (
        "import sys, iso15118.aio.secc, iso15118.aio.evcc; "
        "sys.exit(any(name.startswith(('cryptography.x509', 'iso15118.pki')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("after", "again"),
    [
        (timedelta(0), False),
        (timedelta(hours=23, minutes=59), False),
        (timedelta(days=1), True),
        (timedelta(days=30), True),
        (timedelta(hours=-1), True),  # the clock was set back
    ],
    ids=str,
)
def test_an_end_that_was_said_is_said_again_after_a_day(
    after: timedelta, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    day = [datetime(2026, 1, 1, tzinfo=UTC)]
    told: list[Expiry] = []
    watch = ExpiryWatch(lambda: None, news=told.append, clock=lambda: day[0])
    ends = [
        Expiry(kind="own", name="CN=a", not_after=day[0] + timedelta(days=3), expired=False),
        Expiry(kind="anchor", name="CN=b", not_after=day[0] - timedelta(days=3), expired=True),
    ]
    watch._say(tuple(ends), day[0])
    watch._say(tuple(ends), day[0] + after)
    assert told == ends * (2 if again else 1)
    other = Expiry(kind="own", name="CN=a", not_after=day[0] + timedelta(days=9), expired=False)
    watch._say((other,), day[0] + after)
    assert told[-1] is other, "a new certificate of the same name"
    assert flush(60.0)
    lines = {one.getMessage(): one.levelname for one in caplog.records if "renew it" in one.getMessage()}
    assert [lines[f"the {one}: renew it"] for one in ends] == ["WARNING", "ERROR"]


async def test_ends_are_looked_for_again_every_few_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    clock = asyncio.get_running_loop().time
    watch = ExpiryWatch(lambda: None)
    monkeypatch.setattr(watch, "look", lambda: looked.append(clock()))
    held: list[int] = []
    monkeypatch.setattr("iso15118.aio.identity._EVERY_S", 10.0)
    running = asyncio.create_task(watch.run(lambda: held.append(1) or ()))  # type: ignore[func-returns-value]
    await asyncio.sleep(35.0)
    running.cancel()
    await asyncio.wait((running,))
    assert [at - looked[0] for at in looked] == [
        pytest.approx(10.0 * number, abs=0.01) for number in range(4)
    ]
    assert len(held) == 4
