"""The schema sets of the project: which files make up each, and where the classes of each namespace live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
SCHEMAS = PACKAGE.parent / "schemas"
TABLES = PACKAGE / "exi" / "tables"


@dataclass(frozen=True)
class SetDefinition:
    """One schema set: its name in the API, our files, and the published ones to compare with.

    Paths are relative to ``schemas/`` and to the folder of the published schemas.
    """

    name: str
    files: tuple[str, ...]
    published: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    """Local elements of simple type that stand alone as fragments, so that they need a
    class: those that get signed."""


SETS: tuple[SetDefinition, ...] = (
    SetDefinition("app", ("app/app_protocol.xsd",), ("app/V2G_CI_AppProtocol.xsd",)),
    SetDefinition(
        "din",
        ("din/message.xsd", "din/body.xsd"),
        ("din/V2G_CI_MsgDef.xsd", "din/V2G_CI_MsgBody.xsd"),
        alone=("ContractID",),
    ),
    SetDefinition("iso2", ("iso2/message.xsd",), ("iso2/V2G_CI_MsgDef.xsd",), alone=("eMAID",)),
    SetDefinition("iso20-common", ("iso20/common_messages.xsd",), ("iso20/V2G_CI_CommonMessages.xsd",)),
    SetDefinition("iso20-ac", ("iso20/ac.xsd",), ("iso20/V2G_CI_AC.xsd",)),
    SetDefinition("iso20-dc", ("iso20/dc.xsd",), ("iso20/V2G_CI_DC.xsd",)),
    SetDefinition("iso20-wpt", ("iso20/wpt.xsd",), ("iso20/V2G_CI_WPT.xsd",)),
    SetDefinition("iso20-acdp", ("iso20/acdp.xsd",), ("iso20/V2G_CI_ACDP.xsd",)),
    # Public in the form of a content model only, so there is nothing to compare with.
    SetDefinition("iso20-ac-der-iec", ("iso20/ac_der_iec.xsd",)),
    SetDefinition("iso20-ac-der-sae", ("iso20/ac_der_sae.xsd",)),
    SetDefinition("xmldsig-fragment", ("xmldsig/xmldsig.xsd",), ("xmldsig-core-schema.xsd",)),
)

MODULES: dict[str, str] = {
    "urn:iso:15118:2:2010:AppProtocol": "iso15118.messages.app",
    "http://www.w3.org/2000/09/xmldsig#": "iso15118.messages.xmldsig",
    "urn:iso:std:iso:15118:-20:CommonTypes": "iso15118.messages.iso20.common_types",
    "urn:iso:std:iso:15118:-20:CommonMessages": "iso15118.messages.iso20.common_messages",
    "urn:iso:std:iso:15118:-20:DC": "iso15118.messages.iso20.dc",
    "urn:iso:std:iso:15118:-20:AC": "iso15118.messages.iso20.ac",
    "urn:iso:std:iso:15118:-20:AC-DER-IEC": "iso15118.messages.iso20.ac_der_iec",
    "urn:iso:std:iso:15118:-20:AC-DER-SAE": "iso15118.messages.iso20.ac_der_sae",
    "urn:iso:std:iso:15118:-20:WPT": "iso15118.messages.iso20.wpt",
    "urn:iso:std:iso:15118:-20:ACDP": "iso15118.messages.iso20.acdp",
    "urn:iso:15118:2:2013:MsgDef": "iso15118.messages.iso2",
    "urn:iso:15118:2:2013:MsgHeader": "iso15118.messages.iso2",
    "urn:iso:15118:2:2013:MsgBody": "iso15118.messages.iso2",
    "urn:iso:15118:2:2013:MsgDataTypes": "iso15118.messages.iso2",
    "urn:din:70121:2012:MsgDef": "iso15118.messages.din",
    "urn:din:70121:2012:MsgHeader": "iso15118.messages.din",
    "urn:din:70121:2012:MsgBody": "iso15118.messages.din",
    "urn:din:70121:2012:MsgDataTypes": "iso15118.messages.din",
}
"""Module of the classes of each namespace. Sets may share one: common types live once."""
