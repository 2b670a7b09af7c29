"""V2GTP payloads as messages: with the schema that supportedAppProtocol chose in this
connection, or the one that fits best.

One ``Dialogue`` for each connection; what it learns from one message it uses for the next.
"""

from __future__ import annotations

from typing import Any, Final

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.exi.content import root_name
from iso15118.messages import app
from iso15118.messages.values import unit_of
from iso15118.trace.entries import EVCC, SECC, MessageEntry, V2gtpEntry
from iso15118.v2gtp import PayloadType, payload_type_name

from .fitting import AUTO, SCHEMAS_OF, Decoded, best_fit, edition_of

__all__ = ["Dialogue", "schema_of_namespace"]

_NAMESPACES: Final = {
    "urn:din:70121:2012:MsgDef": "din",
    "urn:iso:15118:2:2013:MsgDef": "iso2",
    # An early draft that some vehicles name; what they speak is DIN 70121.
    "urn:iso:15118:2:2010:MsgDef": "din",
    "urn:iso:std:iso:15118:-20:AC": "iso20-ac",
    "urn:iso:std:iso:15118:-20:DC": "iso20-dc",
    "urn:iso:std:iso:15118:-20:WPT": "iso20-wpt",
    "urn:iso:std:iso:15118:-20:ACDP": "iso20-acdp",
    "urn:iso:std:iso:15118:-20:AC-DER-IEC": "iso20-ac-der-iec",
    "urn:iso:std:iso:15118:-20:AC-DER-SAE": "iso20-ac-der-sae",
    "urn:iso:std:iso:15118:-20:CommonMessages": "iso20-common",
}
_IN_0X8001: Final = ("din", "iso2")
_ISO20: Final = tuple(name for name in exi.SCHEMAS if name.startswith("iso20-"))
_APP_CODES: Final = 0x80
"""Second octet of an EXI stream: below it is one of the two roots of supportedAppProtocol, above it
a root of a large schema."""


def schema_of_namespace(namespace: str) -> str | None:
    """The schema set of a protocol as supportedAppProtocol names it; None for one that is not known."""
    return _NAMESPACES.get(namespace)


class Dialogue:
    """``forced``: a schema set that the user names instead of ``auto``; supportedAppProtocol is
    still read as what it is."""

    def __init__(self, forced: str = AUTO) -> None:
        self._forced = None if forced == AUTO else forced
        self.agreed: str | None = None
        """What supportedAppProtocol chose."""
        self.fits: str | None = None
        """What fitted best where nothing was agreed."""
        self._offers: dict[int, str] | None = None
        self._told: set[str] = set()

    def entry(
        self,
        payload_type: int | None,
        payload: bytes,
        *,
        t: float | None,
        number: int,
        first_number: int = 0,
        stream: int | None = None,
        sender: str | None = None,
        notes: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> MessageEntry | V2gtpEntry:
        """The message in a payload, or why there is none. ``sender``: who it came from if that is known;
        otherwise the message tells. ``payload_type`` None: it came without a header. ``hint``: a schema
        set that is named beside it."""
        schemas = exi.SCHEMAS[:-1] if payload_type is None else SCHEMAS_OF.get(payload_type)
        if schemas is None:
            text = f"payload type {payload_type_name(payload_type or 0)} carries no message"
            return _no_message(payload_type, payload, t, number, stream, sender, (*notes, text))
        try:
            decoded, guessed = self._decode(payload_type, payload, schemas, hint)
        except ExiError as error:
            schema = f" as {error.schema}" if error.schema else ""
            return _no_message(
                payload_type, payload, t, number, stream, sender, (*notes, f"cannot be read{schema}: {error}")
            )
        message, schema = decoded.message, decoded.schema
        body, name, whose = _body(schema, message)
        said = [*notes, *decoded.notes]
        if schema == "app":
            said += self._negotiation(message)
        else:
            self._odd(schema, payload_type, message, said)
        who = sender or whose or SECC
        if sender is not None and whose is not None and sender != whose:
            said.append(
                f"{name} comes from the {'vehicle' if sender == EVCC else 'station'}: that is the other side's message"
            )
        header = getattr(message, "header", None)
        code = getattr(body, "response_code", None)
        return MessageEntry(
            t=t,
            sender=who,
            number=number,
            stream=stream,
            notes=tuple(said),
            edition=edition_of(schema),
            schema=schema,
            message=name,
            payload_type=payload_type,
            session_id=None if header is None else header.session_id,
            response_code=None if code is None else code.value,
            exi=payload,
            value=message,
            first_number=first_number or number,
            guessed=guessed,
        )

    # Which schema ------------------------------------------------------------------------------------------

    def _decode(
        self, payload_type: int | None, payload: bytes, schemas: tuple[str, ...], hint: str | None
    ) -> tuple[Decoded, bool]:
        if len(schemas) == 1 and self._forced is None:
            message, notes = exi.decode_with_notes(schemas[0], payload)
            return Decoded(message, schemas[0], notes), False
        negotiation = "app" in schemas and len(payload) > 1 and payload[1] < _APP_CODES
        if negotiation:
            try:
                message, notes = exi.decode_with_notes("app", payload)
                return Decoded(message, "app", notes), False
            except ExiError:
                pass
        if self._forced is not None:
            return self._decode_forced(payload, schemas), False
        if payload_type is None:
            return self._decode_bare(payload, schemas, hint), True
        if self.agreed in schemas:
            return self._decode_agreed(payload), False
        return self._decode_fitting(payload_type, payload, schemas), True

    def _decode_bare(self, payload: bytes, schemas: tuple[str, ...], hint: str | None) -> Decoded:
        """Without a header nothing says which set of an edition it is: what is named beside it or was agreed
        comes first among equals."""
        first = [one for one in (hint, self.agreed, self.fits) if one is not None]
        if any(one in _ISO20 for one in first):
            first.append("iso20-common")
        best = best_fit(payload, tuple(dict.fromkeys((*first, *schemas))))
        if best.schema == "app":
            return best
        named = best.schema in first and best.schema != self.fits
        also = (
            ""
            if not best.equals or named
            else f"; it may as well be of {', '.join(best.equals)}: give --schema"
        )
        self.fits = best.schema if named or not best.equals else self.fits
        text = f"read as a message of {best.schema}, which fits best{also}"
        return Decoded(best.message, best.schema, [text, *best.notes], best.equals)

    def _decode_forced(self, payload: bytes, schemas: tuple[str, ...]) -> Decoded:
        # A session of -20 has two sets: naming one of them does not turn the other's messages into its own.
        forced = self._forced or ""
        schema = schemas[0] if forced in _ISO20 and len(schemas) == 1 and schemas[0] in _ISO20 else forced
        message, notes = exi.decode_with_notes(schema, payload)
        return Decoded(message, schema, notes)

    def _decode_agreed(self, payload: bytes) -> Decoded:
        agreed = self.agreed or ""
        try:
            message, notes = exi.decode_with_notes(agreed, payload)
            return Decoded(message, agreed, notes)
        except ExiError as error:
            try:
                other = best_fit(payload, tuple(one for one in (*_IN_0X8001, *_ISO20) if one != agreed))
            except ExiError:
                raise error from None
            text = (
                f"{agreed} was agreed, and it is no message of that ({error.reason}); it fits {other.schema}"
            )
            return Decoded(other.message, other.schema, [text, *other.notes])

    def _decode_fitting(self, payload_type: int | None, payload: bytes, schemas: tuple[str, ...]) -> Decoded:
        if self.fits in schemas:
            try:
                message, notes = exi.decode_with_notes(self.fits or "", payload)
                if not notes:
                    return Decoded(message, self.fits or "", notes)
            except ExiError:
                pass
        wrong_type = False
        if self.agreed in _ISO20:  # what was agreed comes first, whatever stands in the header
            schemas = (self.agreed or "", "iso20-common", *schemas)
        try:
            best = best_fit(payload, tuple(dict.fromkeys(schemas)))
            wrong_type = best.schema not in SCHEMAS_OF[payload_type or PayloadType.SAP]
        except ExiError:
            if payload_type != PayloadType.SAP:
                raise
            best, wrong_type = best_fit(payload, (*schemas, *_ISO20)), True
        if not wrong_type and best.schema != "app":
            first = self.fits != best.schema
            self.fits = None if best.equals else best.schema
            if not first:
                return best
        also = f"; it may as well be of {', '.join(best.equals)}: give --schema" if best.equals else ""
        text = f"read as a message of {best.schema}, which fits best{also}"
        return Decoded(best.message, best.schema, [text, *best.notes])

    # What it says of the session ---------------------------------------------------------------------------

    def _negotiation(self, message: Any) -> list[str]:
        if isinstance(message, app.SupportedAppProtocolReq):
            self._offers = {one.schema_id: one.protocol_namespace for one in message.app_protocol}
            self.agreed = None
            unknown = [one for one in self._offers.values() if one not in _NAMESPACES]
            return [f"offers a protocol that is not known here: {one}" for one in unknown]
        if not isinstance(message, app.SupportedAppProtocolRes):
            return []
        if "Failed" in str(message.response_code.value):
            return []
        return self._chosen(message.schema_id)

    def _chosen(self, schema_id: int | None) -> list[str]:
        offers = self._offers
        if offers is None:
            return ["what was offered is not in the capture: the schema is the one that fits best"]
        if schema_id is None:
            if len(offers) != 1:
                return [f"without SchemaID, of {len(offers)} that were offered: nothing is chosen"]
            self.agreed = _NAMESPACES.get(next(iter(offers.values())))
            return ["without SchemaID: the only protocol that was offered is meant"]
        if schema_id not in offers:
            return [f"SchemaID {schema_id} was not offered"]
        self.agreed = _NAMESPACES.get(offers[schema_id])
        text = f"chooses {offers[schema_id]}"
        return [
            text if self.agreed else f"{text}, which is not known here: the schema is the one that fits best"
        ]

    def _odd(self, schema: str, payload_type: int | None, message: Any, said: list[str]) -> None:
        header = getattr(message, "header", None)
        unit = unit_of(header.time_stamp) if header is not None and schema in _ISO20 else ""
        if unit and unit not in self._told:
            self._told.add(unit)
            said.append(f"time stamps are in {unit}")
        if payload_type is not None and schema not in SCHEMAS_OF[payload_type] and schema in exi.SCHEMAS:
            right = next((one for one, names in SCHEMAS_OF.items() if schema in names), None)
            wanted = "" if right is None else f", it belongs in {payload_type_name(right)}"
            said.append(
                f"a message of {schema} in payload type {payload_type_name(payload_type)}{wanted}: a receiver drops it [V2G2-800]"
            )


def _no_message(
    payload_type: int | None,
    payload: bytes,
    t: float | None,
    number: int,
    stream: int | None,
    sender: str | None,
    notes: tuple[str, ...],
) -> V2gtpEntry:
    return V2gtpEntry(
        t=t,
        sender=sender or "",
        number=number,
        stream=stream,
        notes=notes,
        payload_type=payload_type,
        length=len(payload),
        payload=payload,
    )


_names: dict[tuple[str, type], tuple[str, str | None]] = {}


def _body(schema: str, message: Any) -> tuple[Any, str, str | None]:
    """What is said, its name by the schema, and who says such a thing; None for what is no message."""
    body = message
    inner = getattr(message, "body", None) if schema in _IN_0X8001 else None
    if inner is not None:
        for field in inner.__struct_fields__:
            value = getattr(inner, field)
            if value is not None:
                body = value
                break
    cls: type[exi.Message] = type(body)
    known = _names.get((schema, cls))
    if known is None:
        name = root_name(schema, cls)
        whose = EVCC if name.endswith("Req") else SECC if name.endswith("Res") else None
        known = _names[schema, cls] = name, whose
    return body, known[0], known[1]
