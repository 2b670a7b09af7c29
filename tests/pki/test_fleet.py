"""Issuing for many vehicles over an executor: every certificate is accepted, none is issued twice."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.pki import issue_test_pki, verify_chain
from iso15118.pki.cases.make import ANCHOR_ROLES
from iso15118.pki.fleet import issue_fleet, write_fleet

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
    assert len(keys) == 12
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_no_vehicles_are_a_mistake() -> None:
    pki = issue_test_pki("iso20", "ed448", at=NOW)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ConfigError):
        list(issue_fleet(pki, 0, at=NOW, executor=executor))
