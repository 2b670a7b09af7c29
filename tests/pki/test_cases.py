"""Every named negative case, on every role and algorithm it applies to, through the checks of the package."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest

from iso15118.errors import ConfigError
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.pki import IssuedPki, issue_test_pki, load_profile, verify_chain
from iso15118.pki.cases import Case, Variant, all_cases, find_case, response_code, variants
from iso15118.pki.cases.make import Broken, judge, make
from iso15118.pki.cases.messages import installation_faults, signature_faults
from iso15118.pki.chain.violations import CODES, Verdict

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CHAINS = [case for case in all_cases().values() if case.is_chain]


def by_name(area: str) -> list[Case]:
    return [case for case in all_cases().values() if case.area == area]


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


@cache
def pki(algorithm: str) -> IssuedPki:
    return issue_test_pki("iso20", algorithm, at=NOW)


def disagreement(case: Case, verdict: Verdict) -> str | None:
    """What the verdict has that the case does not expect, or lacks."""
    expect = case.expect
    found = {one.code for one in verdict.violations}
    wanted = set(expect.codes)
    said = f"expected {sorted(wanted)}, found: {verdict}"
    if not wanted:
        return said if found else None
    if not (found & wanted if expect.any else wanted <= found):
        return said
    if found - wanted - set(expect.also):
        return said
    first = [one for one in verdict.violations if one.code in wanted]
    if expect.place is not None and expect.place not in [one.certificate for one in first]:
        return f"not of certificate {expect.place}: {verdict}"
    if expect.alert is not None and expect.alert not in [one.alert for one in first]:
        return f"no alert {expect.alert}: {[one.alert for one in first]}"
    return None


@pytest.mark.parametrize("case", CHAINS, ids=names(CHAINS))
def test_a_chain_is_judged_as_the_case_says_and_nothing_else_is_found(case: Case) -> None:
    wrong = {}
    count = 0
    for variant in variants(case):
        count += 1
        if (said := disagreement(case, judge(make(variant, at=NOW)))) is not None:
            wrong[str(variant)] = said
    assert wrong == {}
    assert count >= 1


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
@pytest.mark.parametrize("case", by_name("signature"), ids=names(by_name("signature")))
def test_a_spoiled_signature_is_refused_by_name(case: Case, algorithm: str) -> None:
    if algorithm not in case.algorithms:
        assert case.name == "signature-der", "Ed448 knows no DER form; every other case is on both"
        return
    found = signature_faults(Variant(case, "contract", "iso20", algorithm), pki(algorithm))
    assert set(case.expect.codes) <= set(found)


def test_an_unspoiled_signature_and_key_are_accepted() -> None:
    for algorithm in ("p521", "ed448"):
        good = Variant(unspoiled(find_case("signature-zero")), "contract", "iso20", algorithm)
        assert signature_faults(good, pki(algorithm)) == ()
    for algorithm in ("p256", "p521", "ed448"):
        good = Variant(unspoiled(find_case("key-too-long")), "oemprov", "iso20", algorithm)
        assert installation_faults(good) == ()


def unspoiled(case: Case) -> Case:
    return Case(name=case.name, area=case.area, about="", matrix=0, expect=case.expect)


@pytest.mark.parametrize("case", by_name("installation"), ids=names(by_name("installation")))
def test_a_spoiled_key_is_refused_by_name(case: Case) -> None:
    for algorithm in case.algorithms:
        variant = Variant(case, "oemprov", "iso2" if algorithm == "p256" else "iso20", algorithm)
        assert installation_faults(variant) == case.expect.codes, algorithm


def test_there_are_many_cases_and_they_are_on_every_algorithm() -> None:
    assert len(all_cases()) >= 190
    assert len({case.matrix for case in all_cases().values()}) >= 80
    count: dict[str, int] = {}
    for case in CHAINS:
        for variant in variants(case):
            count[f"{variant.role}-{variant.algorithm}"] = (
                count.get(f"{variant.role}-{variant.algorithm}", 0) + 1
            )
    for role in ("secc", "contract", "oemprov", "cps"):
        assert all(count[f"{role}-{algorithm}"] >= 90 for algorithm in ("p256", "p521", "ed448")), count
    assert count["vehicle-p521"] >= 95
    assert count["vehicle-ed448"] >= 95


def test_expectations_are_words_that_exist() -> None:
    for case in all_cases().values():
        if case.is_chain:
            assert {*case.expect.codes, *case.expect.also} <= CODES.keys(), case.name
        if case.expect.response is not None:
            assert response_code(case.expect.response, "iso20") in {one.value for one in ResponseCode}
            assert response_code(case.expect.response, "iso2").startswith("FAILED_")
        # Whoever refuses a contract must be able to say why.
        if case.is_chain and "contract" in case.roles and case.expect.codes:
            assert case.expect.response is not None, case.name
        if case.is_chain and {"secc", "vehicle"} & set(case.roles) and case.expect.codes:
            assert case.expect.alert is not None, case.name


def test_a_whole_pki_with_one_defect_has_all_the_other_branches_in_order() -> None:
    broken: Broken = make(Variant(find_case("expired-leaf"), "secc", "iso20", "ed448"), at=NOW, whole=True)
    assert set(broken.pki.certificates) >= set(load_profile("iso20").certificates)
    assert [one.code for one in judge(broken).violations] == ["expired"]
    for role, root, kind in (("vehicle", "oem-root", "OEM"), ("contract", "mo-root", "MO")):
        verdict = verify_chain(
            broken.pki.chain(role),
            role=role,
            anchors_der=[broken.pki.certificates[root]],
            anchor_role=kind,
            at=NOW,
            edition="iso20",
        )
        assert verdict.ok, str(verdict)


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(ConfigError, match="expired-leaf"):
        find_case("leaf-expired")
