"""A running station whose roots of contracts are changed on the disk: the next
session believes the new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.ports.contract_calls import trust_of
from iso15118.aio.run import side_by_side
from iso15118.cli.contracts import followed_backend
from iso15118.cli.session import tls_of
from iso15118.cli.status import StationStatus
from iso15118.pki import IssuedPki, Store, issue_test_pki
from iso15118.session import ports
from iso15118.settings.hardware import station_of
from iso15118.settings.roles import load_secc
from iso15118.simulation.backend import ContractBackend

NOW = datetime.now(UTC)
FIRST, SECOND = (issue_test_pki("iso20", "p521", at=NOW) for _ in range(2))
WITH_STORE = '[tls]\npki = "pki"\n[contracts]\noffer = true\nstore = "roots"\n'
OF_PKI = '[tls]\npki = "pki"\n[contracts]\noffer = true\n'


@asynccontextmanager
async def running(folder: Path, text: str) -> AsyncIterator[tuple[ContractBackend, ports.Station]]:
    """The ports of a station with this file, and what runs beside it."""
    (folder / "secc.toml").write_text(text)
    settings = load_secc(folder / "secc.toml")
    station, _ = station_of(settings.station)
    with tls_of(settings.tls, "secc") as secured:
        backend, beside = followed_backend(settings, secured, StationStatus(settings), every_s=0.01)
        assert backend is not None
        station.contracts = backend
        bundle = station.ports(asyncio.sleep, asyncio.get_running_loop().time)
        task = asyncio.get_running_loop().create_task(side_by_side(*beside))
        try:
            yield backend, bundle
        finally:
            task.cancel()


async def comes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30.0):
        while not condition():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.01)


def believed(bundle: ports.Station) -> tuple[bytes, ...]:
    """What a session that begins now believes."""
    trust = trust_of(bundle)
    assert trust is not None
    return trust.mo_anchors


def root(pki: IssuedPki) -> bytes:
    return pki.certificates["mo-root"]


async def test_a_root_that_is_put_into_the_store_counts_for_the_next_session(tmp_path: Path) -> None:
    FIRST.write(tmp_path / "pki")
    store = Store(tmp_path / "roots")
    store.add_anchor("mo", "first", root(FIRST))
    async with running(tmp_path, WITH_STORE) as (backend, bundle):
        assert believed(bundle) == (root(FIRST),)
        store.add_anchor("mo", "second", root(SECOND))
        await comes(lambda: set(believed(bundle)) == {root(FIRST), root(SECOND)})
        (tmp_path / "roots/anchors/mo/first.pem").unlink()
        await comes(lambda: believed(bundle) == (root(SECOND),))
        assert backend.trust.mo_anchors == (root(SECOND),)


async def test_a_store_without_roots_changes_nothing_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FIRST.write(tmp_path / "pki")
    Store(tmp_path / "roots").add_anchor("mo", "first", root(FIRST))

    def said() -> bool:
        flush(60.0)
        return "has no root of a provider" in caplog.text

    async with running(tmp_path, WITH_STORE) as (_, bundle):
        (tmp_path / "roots/anchors/mo/first.pem").unlink()
        await comes(said)
        assert believed(bundle) == (root(FIRST),)


async def test_a_test_pki_is_followed_with_its_service(tmp_path: Path) -> None:
    FIRST.write(tmp_path / "pki")
    async with running(tmp_path, OF_PKI) as (_, bundle):
        assert believed(bundle) == (root(FIRST),)
        SECOND.write(tmp_path / "new")
        (tmp_path / "pki").rename(tmp_path / "old")
        (tmp_path / "new").rename(tmp_path / "pki")
        await comes(lambda: believed(bundle) == (root(SECOND),))
