"""Whole sessions with contracts in virtual time, over V2GTP and EXI, under the safety monitor."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.evcc.config import Identification, InstallContracts
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.pki import issue_test_pki
from iso15118.pki.chain.parsed import parse
from iso15118.pnc.contract_service import emaid_for, issuing
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.secc.iso20.plug_and_charge import AUTHORIZATION_CODES, INSTALLATION_CODES
from iso15118.session.actions import EndReason
from iso15118.session.events import AuthorizationDecided, ContractDecided
from iso15118.simulation.backend import ContractBackend, accept_emaids
from iso15118.testing import Pair
from tests.pair.contracts import DAY, EMAIDS, PCID, contract_pair, held, issued, service, trust
from tests.pair.test_sessions import orderly, safe

ALGORITHMS = ("p521", "ed448")
BOTH_WAYS = {"identification": (Identification.PNC, Identification.EIM)}


class Heard:
    """Messages of both sides."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def __call__(self, sender: str, message: object, now: float) -> None:
        self.all.append(message)

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.all if type(one) is kind]

    def codes(self, kind: type) -> list[str]:
        return [one.response_code.value for one in self.of(kind)]


def charged(rig: Pair) -> None:
    """The whole charge went through."""
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    assert (rig.secc.ended.reason, rig.evcc.ended.reason) == (EndReason.STOPPED_BY_EV,) * 2
    assert rig.vehicle.battery.soc == pytest.approx(45.0, abs=0.05)
    safe(rig)
    orderly(rig)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "p256"])
def test_a_charge_by_contract(algorithm: str) -> None:
    """P-256 only under the laboratory's policy, which both sides are told."""
    heard = Heard()
    rig = contract_pair(algorithm, "contract-0", on_message=heard)
    rig.run()
    charged(rig)
    assert rig.secc.emaid == rig.evcc.emaid == EMAIDS[0]
    setup = heard.of(cm.AuthorizationSetupRes)[0]
    assert setup.authorization_services == (cm.Authorization.EIM, cm.Authorization.PnC)
    assert not setup.certificate_installation_service
    first, again = heard.of(cm.AuthorizationReq)
    challenge = setup.as_res_authorization_mode.gen_challenge
    assert len(challenge) == 16
    assert first.a_req_authorization_mode.gen_challenge == challenge
    assert first.a_req_authorization_mode == again.a_req_authorization_mode
    assert [one.evse_processing for one in heard.of(cm.AuthorizationRes)] == [
        Processing.Ongoing,
        Processing.Finished,
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_both_encodings_of_signed_info_are_taken(algorithm: str) -> None:
    pki = issued(algorithm)
    for forms, paid in ((("standalone", "combined"), True), (("standalone",), False)):
        backend = ContractBackend(trust(pki, forms=forms))
        rig = contract_pair(
            algorithm,
            store=held(pki, "contract-0", form="combined"),
            backend=backend,
            secc={"metering_confirmation_s": 2.0},
        )
        rig.run()
        assert bool(rig.secc.emaid) is paid
        safe(rig)


def test_a_vehicle_that_wants_contracts_only_and_has_no_store_says_so() -> None:
    rig = contract_pair("p521", vehicle_options={"contracts": None})
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.detail == "the vehicle has no contracts, and no store for them"


def test_challenges_are_fresh() -> None:
    seen = set()
    for _ in range(3):
        heard = Heard()
        rig = contract_pair("p521", "contract-0", on_message=heard)
        rig.run()
        seen.add(heard.of(cm.AuthorizationSetupRes)[0].as_res_authorization_mode.gen_challenge)
    assert len(seen) == 3


def test_p256_contracts_are_no_contracts_of_iso20() -> None:
    pki = issued("p256")
    rig = contract_pair(
        "p256", backend=ContractBackend(trust(pki, edition="iso20")), store=held(pki, "contract-0")
    )
    rig.run()
    assert rig.evcc.refusals == (f"{EMAIDS[0]}: WARNING_CertificateValidationError",)
    safe(rig)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_contracts_are_installed_until_none_remains_and_the_preferred_one_pays(algorithm: str) -> None:
    heard = Heard()
    rig = contract_pair(
        algorithm, installs=3, on_message=heard, evcc={"contract_preferences": ("FRXYZ", EMAIDS[1])}
    )
    rig.run()
    charged(rig)
    answers = heard.of(cm.CertificateInstallationRes)
    assert [one.remaining_contract_certificate_chains for one in answers] == [2, 1, 0]
    assert rig.evcc.installed == 3
    assert rig.secc.emaid == EMAIDS[2]
    assert rig.vehicle.contracts is not None
    pki = issued(algorithm)
    # EMAIDs in full are what a request can name; the beginning of one orders only what the vehicle has.
    kept = [pki.credential(f"contract-{number}") for number in (1, 0, 2)]
    assert rig.vehicle.contracts.stored == kept  # type: ignore[union-attr]
    lengths = {len(one.signed_installation_data.dh_public_key) for one in answers}
    assert lengths == ({56} if algorithm == "ed448" else {133})


def test_a_vehicle_takes_no_more_contracts_than_it_wants() -> None:
    rig = contract_pair("p521", installs=3, evcc={"maximum_contracts": 2})
    rig.run()
    charged(rig)
    assert rig.evcc.installed == 2


@pytest.mark.parametrize(
    ("wanted", "contracts", "installed"),
    [
        (InstallContracts.NEVER, ("contract-0",), 0),
        (InstallContracts.IF_NEEDED, ("contract-0",), 0),
        (InstallContracts.ALWAYS, ("contract-0",), 1),
        (InstallContracts.NEVER, (), 0),
    ],
)
def test_when_contracts_are_asked_for(
    wanted: InstallContracts, contracts: tuple[str, ...], installed: int
) -> None:
    rig = contract_pair("p521", *contracts, installs=1, evcc={"install_contracts": wanted})
    rig.run()
    assert rig.evcc.installed == installed
    if contracts:
        charged(rig)
    else:
        assert rig.evcc.ended is not None
        assert rig.evcc.ended.detail == (
            "the vehicle has no contract that could be used here; "
            'session.install_contracts = "if-needed" has a station install one'
        )


@pytest.mark.parametrize("refusal", list(Refusal), ids=lambda one: one.value)
def test_what_the_backend_says_reaches_the_vehicle(refusal: Refusal) -> None:
    heard = Heard()
    backend = ContractBackend(trust(issued("p521")), lambda claim: refusal)
    rig = contract_pair("p521", "contract-0", backend=backend, on_message=heard)
    rig.run()
    safe(rig)
    code = AUTHORIZATION_CODES[refusal].value
    assert heard.codes(cm.AuthorizationRes) == ["OK", code]
    assert heard.of(cm.AuthorizationRes)[-1].evse_processing is Processing.Finished
    assert rig.secc.emaid == ""
    assert rig.evcc.ended is not None
    failed = code.startswith("FAILED")
    assert rig.evcc.ended.reason is (EndReason.REFUSED if failed else EndReason.AUTHORIZATION_FAILED)


@pytest.mark.parametrize("refusal", list(Refusal), ids=lambda one: one.value)
def test_what_the_service_says_reaches_the_vehicle(refusal: Refusal) -> None:
    class No:
        def answer(self, request: object) -> object:
            raise NotImplementedError

        def answer_exi(self, request: bytes) -> Refusal:
            return refusal

    class Backend(ContractBackend):
        def certificate(self, request: object, schema: str) -> tuple[None, Refusal]:
            return None, refusal

    heard = Heard()
    rig = contract_pair(
        "p521", backend=Backend(trust(issued("p521")), service=No()), on_message=heard, evcc=BOTH_WAYS
    )
    rig.run()
    code = INSTALLATION_CODES[refusal].value
    assert heard.codes(cm.CertificateInstallationRes) == [code]
    if code.startswith("FAILED"):
        safe(rig)
    else:
        charged(rig)  # at the terminal
        assert rig.evcc.refusals[0] == f"contract installation: {code}"


def test_the_next_contract_is_tried_and_no_more_than_wanted() -> None:
    names = ("contract-0", "contract-1", "contract-2")
    backend = ContractBackend(trust(issued("p521")), accept_emaids((EMAIDS[2],)))
    rig = contract_pair("p521", *names, backend=backend)
    rig.run()
    charged(rig)
    assert [claim.emaid for claim in backend.claims] == list(EMAIDS)
    assert rig.secc.emaid == EMAIDS[2]
    backend = ContractBackend(trust(issued("p521")), accept_emaids((EMAIDS[2],)))
    rig = contract_pair("p521", *names, backend=backend, evcc={"contract_attempts": 2})
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert rig.evcc.refusals == (
        f"{EMAIDS[0]}: WARNING_eMSPUnknown",
        f"{EMAIDS[1]}: WARNING_eMSPUnknown",
        f"{EMAIDS[2]}: not tried, session.contract_attempts is 2",
    )
    rig = contract_pair("p521", *names, backend=backend, secc={"authorization_attempts": 1})
    rig.run()
    assert rig.secc.ended is not None
    assert (
        rig.secc.ended.detail == f"1 contracts were tried; it had been refused: {EMAIDS[0]}: provider-unknown"
    )


def test_a_station_says_whom_it_knows_and_the_vehicle_listens() -> None:
    heard = Heard()
    backend = ContractBackend(trust(issued("p521"), providers=("FRXYZ",)))
    rig = contract_pair("p521", "contract-0", "contract-2", backend=backend, on_message=heard)
    rig.run()
    charged(rig)
    assert rig.secc.emaid == EMAIDS[2]
    assert heard.of(cm.AuthorizationSetupRes)[
        0
    ].as_res_authorization_mode.supported_providers.provider_id == ("FRXYZ",)


def test_a_slow_backend_and_a_slow_service_are_waited_for() -> None:
    heard = Heard()
    pki = issued("p521")
    backend = ContractBackend(trust(pki), service=service(pki, 1), decision_s=20.0, installation_s=20.0)
    rig = contract_pair("p521", backend=backend, on_message=heard)
    rig.run()
    charged(rig)
    assert len(heard.of(cm.CertificateInstallationRes)) == 5  # four Ongoing of four seconds each
    ongoing = heard.of(cm.CertificateInstallationRes)[0]
    assert ongoing.evse_processing is Processing.Ongoing
    assert ongoing.response_code.value == "OK"
    assert rig.evcc.installed == 1


@pytest.mark.parametrize("call", ["authorize_contract", "certificate_installation"])
@pytest.mark.parametrize("how", ["never", "raises"])
def test_a_dead_backend_is_a_warning_and_the_terminal_remains(call: str, how: str) -> None:
    heard = Heard()
    names = ("contract-0",) if call == "authorize_contract" else ()
    rig = contract_pair("p521", *names, installs=1, on_message=heard, evcc=BOTH_WAYS)
    getattr(rig.station.faults, how)(call)
    rig.run()
    charged(rig)
    assert rig.secc.emaid == ""
    kind, code = (
        (cm.AuthorizationRes, "WARNING_GeneralPnCAuthorizationError")
        if names
        else (cm.CertificateInstallationRes, "WARNING_NoCertificateAvailable")
    )
    told = [one for one in heard.of(kind) if one.response_code.value == code]
    assert len(told) == 1
    if how == "never":
        assert told[0].header.time_stamp - heard.of(cm.AuthorizationSetupRes)[0].header.time_stamp >= 54


def test_without_tls_nobody_speaks_of_contracts() -> None:
    heard = Heard()
    plain = {"allow_plaintext": True}
    rig = contract_pair(
        "p521", "contract-0", secure=False, secc=plain, evcc=plain | BOTH_WAYS, on_message=heard, installs=1
    )
    rig.run()
    charged(rig)
    setup = heard.of(cm.AuthorizationSetupRes)[0]
    assert setup.authorization_services == (cm.Authorization.EIM,)
    assert not setup.certificate_installation_service
    assert rig.secc.emaid == ""


def test_a_root_that_only_the_backend_knows() -> None:
    stranger = issue_test_pki(at=DAY, organization="Elsewhere")
    claims: list[ContractClaim] = []

    def decide(claim: ContractClaim) -> Refusal | None:
        claims.append(claim)
        return None

    for central, code in ((False, "WARNING_CertificateValidationError"), (True, "OK")):
        heard = Heard()
        anchors = (issue_test_pki("iso20", "ed448", at=DAY, organization="Third").certificates["oem-root"],)
        backend = ContractBackend(trust(stranger, mo_anchors=anchors, central_validation=central), decide)
        rig = contract_pair("p521", store=held(stranger, "contract"), backend=backend, on_message=heard)
        rig.run()
        assert heard.codes(cm.AuthorizationRes)[-1] == code
        safe(rig)
    assert [claim.verified for claim in claims] == [False]


def test_a_self_made_contract_for_somebody_elses_emaid_does_not_pay() -> None:
    """Right in all but its root, as anybody can make one: the station leaves it to the
    backend, whose roots decide."""
    known, thief = (
        issue_test_pki(at=DAY, organization="Elsewhere"),
        issue_test_pki(at=DAY, organization="Thief"),
    )
    emaid = parse(known.certificates["contract"]).common_names[0]
    assert emaid == parse(thief.certificates["contract"]).common_names[0]
    station = trust(issued("p521"), central_validation=True)
    for vehicle, central, code in (
        (known, trust(known), "OK"),
        (thief, trust(known), "WARNING_CertificateValidationError"),
        (thief, None, "WARNING_eMSPUnknown"),
    ):
        heard = Heard()
        accepts = accept_emaids((emaid.replace("-", "")[:14],))
        backend = ContractBackend(station, accepts, central=central, clock=DAY.timestamp)
        rig = contract_pair("p521", store=held(vehicle, "contract"), backend=backend, on_message=heard)
        rig.run()
        safe(rig)
        assert heard.codes(cm.AuthorizationRes)[-1] == code
        assert bool(rig.secc.emaid) is (code == "OK")
        assert ("DC_ChargeLoop" in rig.secc.states) is (code == "OK")
        assert [claim.verified for claim in backend.claims] == [False]


def test_a_withdrawn_contract_stops_the_charge_in_order() -> None:
    rig = contract_pair("p521", "contract-0", battery={"target_soc": 60.0})
    rig.run(until=lambda: rig.loops > 20)
    claim = rig.station.contracts.claims[0]  # type: ignore[union-attr]
    rig.tell_secc(ContractDecided(claim, Refusal.REVOKED))
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_STATION
    safe(rig)
    orderly(rig)


def test_decisions_about_somebody_else_do_not_count() -> None:
    """Neither the terminal's yes, nor the backend's about another claim, opens the way for a contract."""
    pki = issued("p521")
    rig = contract_pair("p521", "contract-0", backend=ContractBackend(trust(pki), decision_s=30.0))
    rig.run(until=lambda: rig.secc.state == "Authorization" and rig.exchanges > 4)
    other = ContractClaim(emaid=EMAIDS[0], chain=pki.chain("contract-1"), evccid="X")
    rig.tell_secc(AuthorizationDecided(True))
    rig.tell_secc(ContractDecided(other))
    rig.let_pass(5.0)
    assert rig.secc.state == "Authorization"
    rig.run()
    charged(rig)


@pytest.mark.parametrize(
    "change",
    [
        {
            "selected_authorization_service": cm.Authorization.EIM,
            "a_req_authorization_mode": cm.EIMAReqAuthorizationMode(),
        },
        {"a_req_authorization_mode": None},
    ],
    ids=["the terminal", "another contract"],
)
def test_an_altered_repetition_is_out_of_sequence(change: dict[str, Any]) -> None:
    """[V2G20-1582]: while the answer is Ongoing, only the time stamp may change."""
    pki = issued("p521")
    heard = Heard()

    def alter(sender: str, message: object, now: float) -> bool | None:
        heard(sender, message, now)
        if isinstance(message, cm.AuthorizationReq) and len(heard.of(cm.AuthorizationReq)) == 2:
            mode = message.a_req_authorization_mode
            assert isinstance(mode, cm.PnCAReqAuthorizationMode)
            fields = dict(change)
            if fields["a_req_authorization_mode"] is None:
                fields["a_req_authorization_mode"] = msgspec.structs.replace(mode, id="id9")
            rig.to_secc.send(msgspec.structs.replace(message, **fields), now)
            return False
        return None

    rig = contract_pair(
        "p521", "contract-0", backend=ContractBackend(trust(pki), decision_s=30.0), on_message=alter
    )
    rig.run()
    assert heard.codes(cm.AuthorizationRes)[-1] == "FAILED_SequenceError"
    safe(rig)


def test_a_service_that_issues_for_any_vehicle() -> None:
    for algorithm in ALGORITHMS:
        pki = issue_test_pki("iso20", algorithm, at=DAY)
        any_pcid = service(pki, 0, contracts=issuing(pki, clock=lambda: DAY))
        rig = contract_pair(algorithm, backend=ContractBackend(trust(pki), service=any_pcid), store=held(pki))
        rig.run()
        charged(rig)
        assert rig.secc.emaid == emaid_for(PCID)


@pytest.mark.parametrize("fault", ["never", "late", "raises"])
def test_a_token_that_fails_once_costs_one_contract_and_never_the_session(fault: str) -> None:
    """One that answers too late signs nothing any more: its contract is passed over."""
    rig = contract_pair("p521", "contract-0", "contract-1")
    if fault == "never":
        rig.vehicle.faults.never("use_key", times=1)
    elif fault == "late":
        rig.vehicle.faults.late("use_key", 6.0, times=1)
    else:
        rig.vehicle.faults.raises("use_key", OSError("taken out"), times=1)
    rig.run()
    charged(rig)
    assert rig.secc.emaid == EMAIDS[1]
    assert rig.evcc.refusals[0].startswith(EMAIDS[0])


def test_a_token_within_its_time_costs_nothing() -> None:
    rig = contract_pair("p521", "contract-0", secc={"metering_confirmation_s": 2.0})
    rig.vehicle.faults.late("use_key", 1.0)
    rig.run()
    charged(rig)
    assert rig.evcc.refusals == ()
