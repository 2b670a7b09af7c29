"""Builds the EXI grammar of a complex type: states whose productions stand in event-code order.

The content model becomes a position automaton: one state per place in the schema, successors in schema order.
Repeated elements stay one place with a counter; repeated groups are a cycle if unbounded, else unrolled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from .model import (
    UNBOUNDED,
    ComplexType,
    Element,
    ElementUse,
    Group,
    Particle,
    QName,
    SchemaError,
    SchemaSet,
    SimpleType,
    Wildcard,
    located,
)
from .shape import FieldKind, Shape, Shapes

_NO_NAME = QName("", "")


class Event(IntEnum):
    """Kinds of production, numbered as in the table format."""

    END = 0
    ATTRIBUTE = 1
    CHARACTERS = 2
    SIMPLE = 3
    STRUCT = 4
    ABSTRACT = 5
    WILDCARD = 6
    UNTYPED = 7


@dataclass(eq=False)
class State:
    """A state of the automaton; filled in after creation, since states refer to each other in cycles."""

    productions: list[Production] = field(default_factory=list)


@dataclass(frozen=True)
class Loop:
    """The continuation of a repeated element, by the number of times it was taken."""

    entering: bool
    minimum: int
    maximum: int
    below: State
    within: State
    at_max: State


@dataclass(frozen=True)
class Production:
    """One alternative of a state. Which members have a meaning depends on the event."""

    event: Event
    name: QName = _NO_NAME
    field: int = 0
    type: SimpleType | ComplexType | None = None
    next: State | Loop | None = None


@dataclass
class _Place:
    """One place of the content model where an element, or something a wildcard admits, may stand."""

    members: list[Element]
    wildcard: str = ""
    minimum: int = 1
    maximum: int = 1
    follow: set[int] = field(default_factory=set)
    last: bool = False
    states: tuple[State, State, State] | None = None


@dataclass
class _Part:
    """What the construction needs to know of a part of the content model."""

    nullable: bool
    first: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)


def build(shapes: Shapes, shape: Shape) -> State:
    """The start state of the class's grammar."""
    with located(shape.type.where):
        return _Builder(shapes, shape).build()


class _Builder:
    def __init__(self, shapes: Shapes, shape: Shape) -> None:
        self.shapes = shapes
        self.schema: SchemaSet = shapes.schema
        self.shape = shape
        self.type = shape.type
        self.places: list[_Place] = []

    def build(self) -> State:
        if self.type.text is not None:
            value = next(i for i, item in enumerate(self.shape.fields) if item.kind is FieldKind.TEXT)
            end = State([Production(Event.END)])
            content = State([Production(Event.CHARACTERS, field=value, type=self.type.text, next=end)])
            return self._attributes(content)
        part = self._part(self.type.content) if self.type.content is not None else _Part(nullable=True)
        for index in part.last:
            self.places[index].last = True
        content = State()
        self._fill(content, self._successors(part.first), accepting=part.nullable)
        return self._attributes(content)

    # Attributes come first, sorted by name; behind each stands what may follow it.

    def _attributes(self, content: State) -> State:
        ordered = sorted(self.type.attributes, key=lambda item: item.name)
        state = content
        for attribute in reversed(ordered):
            number = next(
                i for i, item in enumerate(self.shape.fields)
                if item.kind is FieldKind.ATTRIBUTE and item.branches[0].name == attribute.name
            )  # fmt: skip
            production = Production(Event.ATTRIBUTE, attribute.name, number, attribute.type, state)
            state = State([production] if attribute.required else [production, *state.productions])
        return state

    # Content model to places

    def _part(self, particle: Particle) -> _Part:
        if particle.maximum == 0:
            return _Part(nullable=True)
        if isinstance(particle, Wildcard):
            return self._place(_Place([], particle.namespace), particle.minimum)
        if isinstance(particle, ElementUse):
            members = self.schema.members(particle.element)
            place = _Place(members, minimum=particle.minimum, maximum=particle.maximum)
            return self._place(place, particle.minimum)
        return self._repeat(particle)

    def _place(self, place: _Place, minimum: int) -> _Part:
        self.places.append(place)
        index = len(self.places) - 1
        return _Part(minimum == 0, {index}, {index})

    def _repeat(self, group: Group) -> _Part:
        """Unroll a bounded group, optional copies nested in each other; close a cycle on an unbounded one."""
        copies = max(group.minimum, 1) if group.maximum == UNBOUNDED else group.maximum
        parts = [self._once(group) for _ in range(copies)]
        for left, right in pairwise(parts):
            self._connect(left.last, right.first)
        if group.maximum == UNBOUNDED:
            self._connect(parts[-1].last, parts[-1].first)
        nullable = parts[0].nullable
        ends = parts if nullable else parts[max(group.minimum, 1) - 1 :]
        return _Part(nullable or group.minimum == 0, parts[0].first, {i for part in ends for i in part.last})

    def _once(self, group: Group) -> _Part:
        parts = [self._part(item) for item in group.items]
        if group.is_choice:
            return _Part(
                any(part.nullable for part in parts),
                {i for part in parts for i in part.first},
                {i for part in parts for i in part.last},
            )
        whole = _Part(nullable=True)
        for part in parts:
            self._connect(whole.last, part.first)
            whole.first |= part.first if whole.nullable else set()
            whole.last = part.last | (whole.last if part.nullable else set())
            whole.nullable = whole.nullable and part.nullable
        return whole

    def _connect(self, left: set[int], right: set[int]) -> None:
        for index in left:
            self.places[index].follow |= right

    # Places to states

    def _successors(self, indices: set[int]) -> list[tuple[int, bool]]:
        return [(index, True) for index in sorted(indices)]

    def _states(self, index: int) -> tuple[State, State, State]:
        """States behind an element: too few of it so far, enough, and as many as allowed."""
        place = self.places[index]
        if place.states is not None:
            return place.states
        counted = place.maximum != 1
        after, within = State(), State()
        below = State() if place.minimum > 1 else within
        at_max = within if place.maximum == UNBOUNDED else after
        place.states = (below, within, at_max)
        if counted and index in place.follow:
            raise SchemaError(f"{self.shape.name}: a repeated element inside a repeated group of its own")
        successors = self._successors(place.follow)
        if not counted or place.maximum != UNBOUNDED:
            self._fill(after, successors, accepting=place.last)
        if counted:
            again = sorted([(index, False), *((i, True) for i in place.follow)])
            self._fill(within, again, accepting=place.last)
            if below is not within:
                self._fill(below, [(index, False)], accepting=False)
        return place.states

    def _fill(self, state: State, successors: list[tuple[int, bool]], *, accepting: bool) -> None:
        elements: dict[QName, Production] = {}
        wildcards: dict[str, Production] = {}
        for index, entering in successors:
            place = self.places[index]
            if place.wildcard:
                for namespace in _namespaces(place.wildcard):
                    wildcards.setdefault(namespace, Production(Event.WILDCARD, QName("", namespace)))
            for member in place.members:
                if member.name in elements:
                    raise SchemaError(f"{self.shape.name}: {member.name.local} is ambiguous")
                elements[member.name] = self._element(member, index, entering=entering)
        state.productions += elements.values()
        state.productions += [wildcards[key] for key in sorted(wildcards, key=lambda uri: uri[:2] == "##")]
        if accepting:
            state.productions.append(Production(Event.END))
        if self.type.mixed:
            state.productions.append(Production(Event.UNTYPED, next=state))

    def _element(self, member: Element, index: int, *, entering: bool) -> Production:
        place = self.places[index]
        if self.schema.is_abstract(member):
            return Production(Event.ABSTRACT, member.name)
        number = self.shape.field_of(member.name)
        if number is None:
            raise SchemaError(f"{self.shape.name}: {member.name.local} feeds no field")
        branch = next(item for item in self.shape.fields[number].branches if item.name == member.name)
        below, within, at_max = self._states(index)
        next_: State | Loop = at_max
        if place.maximum != 1:
            maximum = 0 if place.maximum == UNBOUNDED else place.maximum
            next_ = Loop(entering, place.minimum, maximum, below, within, at_max)
        event = Event.STRUCT if isinstance(branch.type, ComplexType) else Event.SIMPLE
        return Production(event, member.name, number, branch.type, next_)


def _namespaces(constraint: str) -> list[str]:
    """One entry per production: a negated or open constraint is SE(*), a list of
    namespaces is one SE(uri:*) each."""
    if constraint in ("##any", "##other"):
        return ["##any"]
    names = ["" if name == "##local" else name for name in constraint.split()]
    if any(name.startswith("##") for name in names):
        raise SchemaError(f"wildcard {constraint} is not supported")
    return sorted(names)
