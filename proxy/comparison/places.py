"""The places of an answer: what the schema and the rules say of the values at one path.

Belongs here: a tree of places, made as far as answers lead to it. Does not: values.
"""

from collections.abc import Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor

from proxy.comparison.paths import ELEMENT, VALUE, PathPattern, Step, name_of, step_of
from proxy.comparison.rules import Exact, Held, ListBy, RuleTree, Set
from proxy.comparison.schema import (
    OPEN,
    TEXT,
    Described,
    Form,
    Member,
    Plans,
    Type,
    fold,
    leads_on,
)
from proxy.transcoding.protojson.kinds import Kind as FieldKind
from proxy.transcoding.protojson.kinds import message_kind

#: How many places a comparator keeps. Recursive messages have no end of them, and hostile answers
#: could make them all; beyond this they are made anew each time.
MOST_KEPT: Final = 20_000

#: Longest path that is made longer, in characters: whoever nests long names pays no more for it.
LONGEST_PATH: Final = 1000

TYPE_KEY: Final = "@type"


class Keeping:
    """What the places of one comparator share: the plans, and how many places are kept."""

    __slots__ = ("kept", "plans")

    def __init__(self, plans: Plans) -> None:
        self.plans = plans
        self.kept = 0

    def __repr__(self) -> str:
        return f"<Keeping of {self.kept} places>"

    def take(self, count: int) -> bool:
        """Whether *count* more places may be kept."""
        self.kept += count
        return self.kept <= MOST_KEPT


class Place:
    """One path of answers.

    *step* is the last of the path. *held* is the rule that holds here, *rules* are those below.
    *leaf* is the path when it counts for coverage, else None; *fills* says that places below do.
    *lists* is how many lists the path leads through.
    """

    __slots__ = (
        *(
            "_around",
            "_element",
            "_keeping",
            "_members",
            "_typed",
            "_wide",
            "computed",
            "fills",
            "held",
            "leaf",
        ),
        *("is_known", "keys", "lenient", "lists", "path", "rules", "type", "step"),
    )

    def __init__(
        self,
        keeping: Keeping,
        path: str,
        type_: Type,
        *,
        rules: tuple[RuleTree, ...] = (),
        held: Held | None = None,
        around: tuple[Described, ...] | None = None,
        lists: int = 0,
        step: Step = "",
    ) -> None:
        self._keeping = keeping
        self.path = path
        self.step = step
        self.type = type_
        self.rules = tuple(tree for tree in rules if tree.children)
        self.held = held if held is None or not isinstance(held.check, Exact) else None
        #: Whether a rule lets values differ here, and not only elements change their places.
        self.lenient = self.held is not None and not isinstance(self.held.check, (Set, ListBy))
        #: The messages around, for the end of recursion; None where nothing is counted.
        self._around = around
        self.lists = lists
        #: All names of a field.
        self.keys: tuple[str, ...] = ()
        #: Whether it is no field: nobody sends it.
        self.computed = False
        #: Whether the schema has such a member, or leaves open which there are.
        self.is_known = True
        self._element: Place | None = None
        self._members: dict[str, Place] | None = None
        self._wide: frozenset[str] | None = None
        self._typed: dict[str, Place | None] = {}
        self.fills = around is not None and leads_on(type_, around)
        self.leaf = path if around is not None and not self.fills else None

    def __repr__(self) -> str:
        return f"<Place {self.path} {self.type.form.name}>"

    @classmethod
    def root(cls, keeping: Keeping, path: str, type_: Type, rules: RuleTree) -> "Place":
        """The place of a whole answer, whose fields are counted."""
        return cls(keeping, path, type_, rules=(rules,), held=rules.held, around=())

    @property
    def members(self) -> Mapping[str, "Place"]:
        """The fields of a message by every key that names one; nothing for all else."""
        if self._members is not None:
            return self._members
        if self.type.form is not Form.MESSAGE or self.type.message is None:
            return {}
        members = self._message_members(self.type.message)
        if self._keeping.take(len(members)):
            self._members = members
        return members

    @property
    def wide(self) -> frozenset[str]:
        """The keys of members below which more fields are counted."""
        if self._wide is None:
            self._wide = frozenset(key for key, each in self.members.items() if each.fills)
        return self._wide

    @property
    def element(self) -> "Place":
        """The place of a list's elements or a map's values."""
        if self._element is None:
            step = VALUE if self.type.form is Form.MAP else ELEMENT
            counts = self.fills and self.type.form in (Form.LIST, Form.MAP)
            around = self._around if counts else None
            self._element = self._below((step,), self.type.inner, around, int(step == ELEMENT))
        return self._element

    def find(self, key: str) -> "Place":
        """The place of an object's member, in whatever case its key is."""
        if self.type.form is Form.MAP:
            return self.element
        known = self.members.get(key)
        if known is None and self.type.form is Form.MESSAGE and self.type.message is not None:
            member = self._keeping.plans.message(self.type.message).by_fold.get(fold(key))
            known = None if member is None else self.members.get(member.name)
        return known or self.unknown(key)

    def at(self, path: str) -> "Place":
        """The place of a path that begins here, at the root."""
        place = self
        for step in PathPattern.parse(path).steps:
            place = place.element if step in (ELEMENT, VALUE) else place.find(name_of(step))
        return place

    def unknown(self, key: str) -> "Place":
        """The place of a member that the message does not have; it is not kept."""
        place = self._below((step_of(key),), OPEN, None)
        place.is_known = self.type.form is not Form.MESSAGE
        return place

    def typed(self, url: object) -> "Place | None":
        """The place of an Any that holds the type of that URL; None for an unknown type."""
        if not isinstance(url, str) or not url.isascii():
            return None
        name = url.rpartition("/")[2]
        if name in self._typed:
            return self._typed[name]
        message = self.type.message
        place = self._any_of(name, message) if isinstance(message, Descriptor) else None
        if place is not None and self._keeping.take(1):
            self._typed[name] = place
        return place

    def _any_of(self, name: str, any_message: Descriptor) -> "Place | None":
        try:
            message = any_message.file.pool.FindMessageTypeByName(name)
        except KeyError:
            return None
        type_ = Type(Form.MESSAGE, message=message)
        place = Place(
            self._keeping, self.path, type_, rules=self.rules, held=self.held, lists=self.lists
        )
        place._members = place._any_members(message)
        return place

    def _any_members(self, message: Descriptor) -> dict[str, "Place"]:
        """A type with a JSON form of its own is in `value`; others have their fields beside."""
        members = {TYPE_KEY: self._below((step_of(TYPE_KEY),), TEXT, None)}
        if message_kind(message) is FieldKind.MESSAGE:
            return members | self._message_members(message)
        type_ = self._keeping.plans.of_message(message)
        return members | {"value": self._below((step_of("value"),), type_, None)}

    def _message_members(self, message: Described) -> dict[str, "Place"]:
        around = (*self._around, message) if self._around is not None and self.fills else None
        plan = self._keeping.plans.message(message)
        places = {member.name: self._member(member, around) for member in plan.members}
        return {key: places[member.name] for key, member in plan.by_key.items()}

    def _member(self, member: Member, around: tuple[Described, ...] | None) -> "Place":
        steps = tuple(step_of(name) for name in member.names)
        place = self._below(steps, member.type, None if member.computed else around)
        place.keys = member.names
        place.computed = member.computed
        return place

    def _below(
        self,
        steps: tuple[str, ...],
        type_: Type,
        around: tuple[Described, ...] | None,
        is_list: int = 0,
    ) -> "Place":
        """The place one step further down; the first of *steps* is the one in its path."""
        rules = tuple(
            tree.children[step] for tree in self.rules for step in steps if step in tree.children
        )
        held = next((tree.held for tree in rules if tree.held is not None), None)
        if held is None and self.held is not None:
            held = self.held.below
        return Place(
            self._keeping,
            self.path + steps[0] if len(self.path) < LONGEST_PATH else self.path,
            type_,
            rules=rules,
            held=held,
            around=around,
            lists=self.lists + is_list,
            step=steps[0],
        )
