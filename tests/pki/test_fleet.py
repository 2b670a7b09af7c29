"""Issuing for many vehicles over an executor: every certificate is accepted, none is issued twice."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.pki import issue_test_pki, verify_chain
from iso15118.pki.cases.make import ANCHOR_ROLES
from iso15118.pki.issuing.fleet import dask_executor, issue_fleet, write_fleet

NOW = datetime(2027, 1, 1, tzinfo=UTC)
VEHICLES = int(os.environ.get("ISO15118_FLEET", "20"))
ROOTS = {"V2G": "v2g-root", "OEM": "oem-root", "MO": "mo-root"}


@pytest.mark.parametrize(("edition", "algorithm"), [("iso20", "p521"), ("iso20", "ed448"), ("iso2", "p256")])
def test_everything_issued_is_accepted_and_unique(edition: str, algorithm: str) -> None:
    pki = issue_test_pki(edition, algorithm, at=NOW)
    with ThreadPoolExecutor(2) as executor:
        made = list(issue_fleet(pki, VEHICLES, contracts=3, at=NOW, executor=executor))
    kinds = 5 if edition == "iso20" else 4
    assert len(made) == VEHICLES * kinds
    assert len({one.serial_number for one in made}) == len({one.identifier for one in made}) == len(made)
    for one in made:
        subs = pki.chain(one.like)[1:]
        root = pki.certificates[ROOTS[ANCHOR_ROLES[one.like]]]
        verdict = verify_chain(
            [one.certificate, *subs],
            role=one.like,
            anchors_der=[root],
            anchor_role=ANCHOR_ROLES[one.like],
            at=NOW,
            edition=edition,
        )
        assert verdict.ok, str(verdict)
    assert "key hidden" in repr(made[0])


def test_a_process_pool_does_it_too_and_the_manifest_lists_it(tmp_path: Path) -> None:
    pki = issue_test_pki("iso20", "ed448", at=NOW)
    with ProcessPoolExecutor(2) as executor:
        count = write_fleet(issue_fleet(pki, 3, contracts=2, at=NOW, executor=executor), tmp_path / "fleet")
    rows = [json.loads(line) for line in (tmp_path / "fleet" / "manifest.jsonl").read_text().splitlines()]
    assert len(rows) == count == 12
    assert set(rows[0]) == {"like", "vehicle", "identifier", "serial_number", "expires"}
    keys = list((tmp_path / "fleet").rglob("*.key"))
    assert len(keys) == 12 + 3  # each provisioning certificate has a second one
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


@pytest.mark.skipif(find_spec("distributed") is None, reason="pip install 'iso15118-stack[dask]'")
@pytest.mark.filterwarnings("ignore")  # of the cluster's own making
def test_a_dask_cluster_of_two_workers_does_it_too() -> None:
    import distributed

    local: Any = distributed.LocalCluster  # without types
    pki = issue_test_pki("iso20", "ed448", at=NOW)
    with (
        local(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        dask_executor(cluster.scheduler_address) as executor,
    ):
        made = list(issue_fleet(pki, 70, contracts=2, at=NOW, executor=executor))
        who = set(executor.map(lambda _: sum(range(3_000_000)) and os.getpid(), range(8)))
    assert len(made) == 70 * 4
    assert len(who) == 2
    assert os.getpid() not in who
    assert [one.vehicle for one in made if one.like == "vehicle"] == list(range(70))
    second = next(one for one in made if one.like == "oemprov")
    assert second.alternative_key is not None
    assert second.alternative_key.hex() not in repr(second)


def test_a_cluster_that_is_not_there_is_named() -> None:
    pytest.importorskip("distributed", reason="pip install 'iso15118-stack[dask]'")
    with pytest.raises(ConfigError, match="no scheduler at 'nonsense://x'"), dask_executor("nonsense://x"):
        pass


def test_no_vehicles_are_a_mistake() -> None:
    pki = issue_test_pki("iso20", "ed448", at=NOW)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ConfigError):
        list(issue_fleet(pki, 0, at=NOW, executor=executor))
