"""What a complex type looks like as a class: its fields, and which elements feed each of them.

Inheritance is flattened already. A choice of complex types and a substitution group become one field of a
union type; any other choice becomes one optional field per branch. Both emitters work from this.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from .model import (
    ComplexType,
    Element,
    ElementUse,
    Particle,
    QName,
    SchemaError,
    SchemaSet,
    SimpleType,
    Wildcard,
    located,
)
from .names import class_name, common_words, field_name
from .sets import MODULES


class FieldKind(IntEnum):
    """Where a field's value stands in the XML; the numbers are those of the table format."""

    ELEMENT = 0
    ATTRIBUTE = 1
    TEXT = 2


@dataclass(frozen=True)
class Branch:
    """One element that feeds a field. ``abstract`` marks the head of a substitution
    group that no message carries."""

    name: QName
    type: SimpleType | ComplexType
    abstract: bool = False


@dataclass(frozen=True)
class Field:
    """One attribute of a class. ``alias`` names the union type if several elements feed the field."""

    name: str
    kind: FieldKind
    branches: tuple[Branch, ...]
    optional: bool = False
    repeated: bool = False
    alias: str = ""
    doc: str = ""


@dataclass
class Shape:
    """One class: the complex type it stands for, and its fields."""

    type: ComplexType
    module: str
    name: str
    fields: list[Field] = field(default_factory=list)

    def field_of(self, element: QName) -> int | None:
        """Index of the field that the element feeds; None for an abstract head's own code."""
        for index, item in enumerate(self.fields):
            if item.kind is FieldKind.ELEMENT and any(branch.name == element for branch in item.branches):
                return index
        return None


def module_of(name: QName, modules: Mapping[str, str] = MODULES) -> str:
    """Module of the classes of a namespace; SchemaError if none is assigned."""
    if name.uri not in modules:
        raise SchemaError(f"no module is assigned to namespace {name.uri or '(none)'}")
    return modules[name.uri]


class Shapes:
    """The classes of one schema set, found by walking all element declarations."""

    def __init__(self, schema: SchemaSet, alone: Collection[str] = ()) -> None:
        self.schema = schema
        self.alone = alone
        self.by_type: dict[ComplexType, Shape] = {}
        self.wrappers: dict[QName, ComplexType] = {}
        ordered = sorted(schema.declarations, key=lambda item: item.name)
        for element in ordered:
            if isinstance(element.type, ComplexType):
                self._shape(element.type, element.name)
        for element in ordered:
            if isinstance(element.type, SimpleType) and (element.is_global or element.name.local in alone):
                self._shape(self.wrapper(element), element.name)
        self._check_names()

    def wrapper(self, element: Element) -> ComplexType:
        """The one-field type that stands for an element of simple type where a bare value
        would lose the element's name."""
        if element.name not in self.wrappers:
            if not isinstance(element.type, SimpleType):
                raise SchemaError(f"{element.name.local} needs no wrapper")
            self.wrappers[element.name] = ComplexType(
                None, element=element.name, text=element.type, doc=element.doc
            )
        return self.wrappers[element.name]

    def _check_names(self) -> None:
        seen: dict[tuple[str, str], ComplexType] = {}
        for shape in self.by_type.values():
            other = seen.setdefault((shape.module, shape.name), shape.type)
            if other is not shape.type:
                raise SchemaError(f"two types want to be {shape.module}.{shape.name}", shape.type.where)

    def _shape(self, type_: ComplexType, owner: QName) -> None:
        if type_ in self.by_type or type_.abstract:
            return
        # A local element may be unqualified; the namespace of its class is then that of the type around it.
        label = type_.label if type_.label.uri else QName(type_.label.local, owner.uri)
        module, name = module_of(label, self.schema.modules), class_name(label.local)
        if type_.name is None and any(
            (one.module, one.name) == (module, name) for one in self.by_type.values()
        ):
            name += "Value"  # one name for an element of simple and of complex type
        shape = Shape(type_, module, name)
        self.by_type[type_] = shape
        fields = [
            Field(field_name(item.name.local), FieldKind.ATTRIBUTE, (Branch(item.name, item.type),),
                  optional=not item.required, doc=item.doc)
            for item in type_.attributes
        ]  # fmt: skip
        if type_.text is not None:
            fields.append(Field("value", FieldKind.TEXT, (Branch(label, type_.text),), doc=type_.doc))
        with located(type_.where):
            if type_.content is not None:
                fields += self._walk(type_.content, optional=False, repeated=False)
            shape.fields = _merge(fields)
        for item in shape.fields:
            for branch in item.branches:
                if isinstance(branch.type, ComplexType):
                    self._shape(branch.type, label)

    def _walk(self, particle: Particle, *, optional: bool, repeated: bool) -> list[Field]:
        if isinstance(particle, Wildcard):
            return []
        optional = optional or particle.minimum == 0
        repeated = repeated or particle.maximum != 1
        if isinstance(particle, ElementUse):
            return [self._element_field(particle, optional=optional, repeated=repeated)]
        items = [item for item in particle.items if not isinstance(item, Wildcard)]
        if particle.is_choice and len(items) > 1:
            union = self._union(items, optional=optional, repeated=repeated)
            if union is not None:
                return [union]
            optional = True
        return [one for item in items for one in self._walk(item, optional=optional, repeated=repeated)]

    def _element_field(self, use: ElementUse, *, optional: bool, repeated: bool) -> Field:
        element = use.element
        members = self.schema.members(element)
        name = field_name(element.name.local)
        branches = tuple(Branch(item.name, item.type, self.schema.is_abstract(item)) for item in members)
        alias = ""
        if len(members) > 1:
            alias = element.name.local.replace("_", "")
            if not self.schema.is_abstract(element):
                alias = f"Any{alias}"  # the plain name is that of the head's own class
        return Field(name, FieldKind.ELEMENT, branches, optional, repeated, alias, use.doc)

    def _union(self, items: Sequence[Particle], *, optional: bool, repeated: bool) -> Field | None:
        """One field for a choice whose branches can be told apart by their class, else None."""
        branches: list[Branch] = []
        for item in items:
            if not isinstance(item, ElementUse) or (item.minimum, item.maximum) != (1, 1):
                return None
            type_ = item.element.type
            if isinstance(type_, SimpleType):
                if not repeated:
                    return None
                # Order among the items of a repeated choice matters, so its simple
                # branches need a name of their own.
                type_ = self.wrapper(item.element)
            branches.append(Branch(item.element.name, type_))
        if len({id(branch.type) for branch in branches}) != len(branches):
            return None
        common = common_words([branch.name.local for branch in branches])
        name = "_".join(common) or "items"
        alias = _camel(branches, common)
        return Field(name, FieldKind.ELEMENT, tuple(branches), optional, repeated, alias)


def _camel(branches: list[Branch], common: list[str]) -> str:
    """The union's name: the common words in the schema's capitals; empty without common words."""
    if not common:
        return ""
    plain = branches[-1].name.local.replace("_", "")
    joined = "".join(common)
    if plain.lower().endswith(joined):
        return plain[len(plain) - len(joined) :]
    return "".join(word.capitalize() for word in common)


def _merge(fields: list[Field]) -> list[Field]:
    """One field per name: alternatives of a choice may carry the same element."""
    merged: dict[str, Field] = {}
    for item in fields:
        known = merged.get(item.name)
        if known is None:
            merged[item.name] = item
        elif known.branches == item.branches and known.kind == item.kind:
            merged[item.name] = replace(
                known, optional=known.optional and item.optional, repeated=known.repeated or item.repeated
            )
        else:
            raise SchemaError(f"two different fields want to be {item.name}")
    return list(merged.values())
