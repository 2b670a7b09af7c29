"""``iso15118 pki respond``: play the provisioning service for one request, as a backend passes
it on (OCPP's exiRequest)."""

from __future__ import annotations

import binascii
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from iso15118 import exi
from iso15118.cli.pki.common import TRUST, AsJson, Existing, app, print_json, read_file
from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError, ExiError
from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.pki import Credential, load
from iso15118.pki.chain.identifiers import IDENTIFIERS, fault_of
from iso15118.pnc.contract_service import ContractService, issuing
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.installation_iso2 import ContractServiceIso2

__all__: list[str] = []

_Schema = Literal["iso20-common", "iso2"]


@app.command()
def respond(
    directory: Existing,
    request: Annotated[
        str,
        typer.Argument(metavar="BASE64|HEX|FILE|-", help="CertificateInstallationReq or -UpdateReq as EXI."),
    ],
    emaid: Annotated[
        list[str] | None,
        typer.Option(help="Contracts of the vehicle, repeatable (default: one, by its PCID)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a request for contracts with the keys of a test PKI; print the answer as base64."""
    pki = load(directory)
    wanted = tuple(emaid or ())
    for one in wanted:
        if not IDENTIFIERS["EMAID"](one, "any"):
            raise ConfigError(
                "--emaid", f"{one[:80]!r} is no EMAID: {fault_of('EMAID', one)}", "DE-8AA-CA2B3C4D5"
            )
    octets, schema = _read(request)
    contracts = issuing(pki, emaids=lambda pcid: wanted) if wanted else issuing(pki)
    if schema == "iso20-common":
        answer = ContractService(
            cps=pki.credential("cps"),
            contracts=contracts,
            oem_anchors=[pki.oem_root],
            edition=pki.edition,
        ).answer_exi(octets)
    else:

        def renewed(old: str) -> Credential | None:
            fresh: Sequence[Credential] = issuing(pki, emaids=lambda _: (old,))(old)
            return fresh[0]

        answer = ContractServiceIso2(
            cps=pki.credential("cps"),
            contracts=contracts,
            renewed=renewed,
            oem_anchors=[pki.oem_root],
            oem_intermediates=pki.chain("oemprov")[1:],
            mo_anchors=[pki.certificates["mo-root"]],
        ).answer_exi(octets)
    refused = answer.value if isinstance(answer, Refusal) else None
    text = b64encode(answer).decode() if isinstance(answer, bytes) else ""
    if as_json:
        print_json({"schema": schema, "refused": refused, "exi_response": text})
    elif refused is None:
        echo(text)
    if refused is not None:
        echo(f"iso15118: no contract: {refused}", error=True)
        raise typer.Exit(TRUST)


def _read(source: str) -> tuple[bytes, _Schema]:
    """The octets of the request, and the schema set that it belongs to. Raises
    ConfigError for what is none."""
    data = source.encode(errors="replace")
    if source == "-":
        data = sys.stdin.buffer.read(64 * 1024)
    elif len(source) < 200 and Path(source).exists():
        data = read_file(Path(source))
    for octets in _octets(data):
        for schema, kinds in _KINDS.items():
            try:
                message = exi.decode(schema, octets)
            except ExiError:
                continue
            body = message.body.body_element if isinstance(message, iso2.V2GMessage) else message
            if isinstance(body, kinds):
                return octets, schema
    raise ConfigError(
        "REQUEST", "no CertificateInstallationReq or CertificateUpdateReq", "EXI as base64, hex or a file"
    )


_KINDS: dict[_Schema, tuple[type, ...]] = {
    "iso20-common": (cm.CertificateInstallationReq,),
    "iso2": (iso2.CertificateInstallationReq, iso2.CertificateUpdateReq),
}


def _octets(data: bytes) -> list[bytes]:
    """What the input may stand for: digits, base64, or the octets themselves."""
    text = b"".join(data.split())
    found = []
    for read in (bytes.fromhex, lambda one: b64decode(one, validate=True)):
        try:
            found.append(read(text.decode("ascii")))
        except (ValueError, binascii.Error):
            continue
    return [*found, data]
