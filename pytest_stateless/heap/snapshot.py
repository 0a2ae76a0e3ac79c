"""What the containers reachable from the modules held at one moment, as a value that is cheap to take again.

A snapshot is a row of chunks, each the referents of some hundred containers of one kind. Looking again fetches the
referents of each chunk with one call in C and compares identities; a chunk that holds the very same objects is shared
with the snapshot before. While a snapshot holds the old referents no identity can be used again, so that a mutation
can't hide.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from operator import is_not
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.compare import same
from pytest_stateless.heap.graph import (
    EMBEDDED,
    KEYED,
    NAMED,
    WATCHED,
    Kind,
    Plan,
    children,
    class_namespace,
    function_module,
    get_referents,
    identity,
    is_heap_type,
    module_name_of,
    module_namespace,
    mro_of,
    name_of,
    plan_of,
    read,
)

CHUNK: Final = 256  # containers; larger ones make a look cheaper and a change in them dearer
RETRIES: Final = 5  # of a reading during which another thread changed the size of a dictionary


class Content(NamedTuple):
    """What one container held: its referents as ``read`` gives them, and its keys or the names of the slots in use."""

    referents: list[object]
    keys: list[object]


class Chunk(NamedTuple):
    """Containers of one kind with what they held."""

    kind: Kind
    containers: tuple[Any, ...]
    referents: list[object]
    keys: list[object]
    referent_counts: list[int]
    key_counts: list[int]
    ordered: Mapping[int, list[object]] = {}
    """By the identity of a dictionary: its values in the order of its keys, where its referents aren't just these.

    The attributes of an instance are shown in the order in which the first instance of the class got its own
    (3.11 and later; dict_traverse in CPython's Objects/dictobject.c).
    """

    def contents(self) -> Iterator[Content]:
        """What each container held, in their order."""
        referent, key = 0, 0
        key_counts = self.key_counts or [0] * len(self.containers)
        for container, referents, keys in zip(self.containers, self.referent_counts, key_counts, strict=True):
            values = self.ordered.get(identity(container)) if self.ordered else None
            if values is None:
                values = self.referents[referent : referent + referents]
            yield Content(values, self.keys[key : key + keys])
            referent, key = referent + referents, key + keys


Snapshot = tuple[Chunk | None, ...]
"""Chunks in the order in which they were found; None where a window has no part in what a chunk holds."""


@dataclass(frozen=True)
class Scope:
    """What of the memory is watched: where to begin, and what to leave out, as data."""

    modules: frozenset[str] | None = None
    """Names of the modules to begin with and whose classes and functions are entered; None for every module."""
    without_packages: frozenset[str] = frozenset()
    """Top-level packages whose modules, functions, classes and instances are left out."""
    without_types: frozenset[str] = frozenset()
    """Types, spelled ``module.Name``, whose instances (and those of subclasses) are left out."""
    without_attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By type, spelled ``module.Name``: attributes of its instances that are left out."""
    without_objects: frozenset[int] = frozenset()
    """Identities of objects that are left out."""

    def enters_module(self, name: str) -> bool:
        """Whether the state of the module called ``name`` is watched."""
        if self.leaves_out(name):
            return False
        return self.modules is None or name in self.modules

    def leaves_out(self, name: object) -> bool:
        """Whether a module of that name belongs to a package that is left out."""
        return type(name) is str and name.partition(".")[0] in self.without_packages

    def plan(self, cls: type) -> Plan:
        """How instances of ``cls`` are read, ``ATOM`` where they are left out."""
        plan = plan_of(cls)
        if plan.kind is Kind.ATOM:
            return plan
        if is_heap_type(cls) and self.leaves_out(module_name_of(cls)):
            return Plan(Kind.ATOM)
        bases = set(spelled_bases(cls))
        if self.without_types & bases:
            return Plan(Kind.ATOM)
        return plan._replace(
            unwatched=_of_bases(self.without_attributes, bases),
            elsewhere=_of_bases(_LEADING_ELSEWHERE, bases),
        )


_LEADING_ELSEWHERE: Final = {"logging.Logger": frozenset({"parent", "manager"})}


def _of_bases(table: Mapping[str, frozenset[str]], bases: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(table[base] for base in bases if base in table))


def spelled_bases(cls: type) -> Iterator[str]:
    """``module.Name`` of a class and of all that it inherits from."""
    for base in mro_of(cls):
        module = type.__dict__["__module__"].__get__(base) if not is_heap_type(base) else module_name_of(base)
        yield f"{module}.{name_of(base)}"


class Heap:
    """Discovers the containers reachable from modules, and looks at them again and again.

    It holds live objects, so it lives no longer than the windows that use it.
    """

    def __init__(self, modules: dict[str, types.ModuleType], scope: Scope) -> None:
        self.scope = scope
        self.churn = 0
        """References that were replaced since the discovery: what the heap may hold although nobody else does."""
        self.paths: dict[int, Any] = {}
        """Where containers were found when they changed before, by identity: the same few change again and again."""
        self._modules = modules
        self._plans: dict[int, tuple[Plan, type]] = {}
        self._seen: dict[int, object] = dict.fromkeys(scope.without_objects)
        self._forget_ourselves()
        roots = [modules, *self._module_namespaces(list(modules.values()))]
        self._chunks: list[Chunk | None] = list(self._discover(roots))

    def _forget_ourselves(self) -> None:
        for own in (self, self.__dict__, self.paths, self._seen, self._plans):
            self._seen[identity(own)] = None

    def _module_namespaces(self, modules: Iterable[object]) -> Iterator[dict[str, object]]:
        for module in modules:
            if self.plan(type(module)).kind is Kind.MODULE:
                namespace = module_namespace(module)
                name = namespace.get("__name__")
                if type(name) is not str or self.scope.enters_module(name):
                    yield namespace

    @property
    def containers(self) -> int:
        """How many containers are watched."""
        return sum(len(chunk.containers) for chunk in self._chunks if chunk)

    @property
    def references(self) -> int:
        """How many references the watched containers hold."""
        return sum(len(chunk.referents) for chunk in self._chunks if chunk)

    def has_module(self, name: str) -> bool:
        """Whether a module of that name is loaded and watched."""
        return name in self._modules and self.scope.enters_module(name)

    def look(self) -> Snapshot:
        """What every container holds now. Containers that are new in those that changed are watched from now on."""
        arrived: list[object] = []
        chunks = self._chunks
        for position, chunk in enumerate(chunks):
            assert chunk is not None
            if chunk.kind is Kind.EMPTY_DICT:
                if any(chunk.containers):
                    chunks[position] = make_chunk(Kind.DICT, chunk.containers, self.plan) or chunk
                    arrived += chunks[position].referents  # type: ignore[union-attr]
                continue
            if _is_as_before(chunk):
                continue
            now = make_chunk(chunk.kind, chunk.containers, self.plan)
            if now is not None:
                chunks[position] = now
                arrived += self._fresh(chunk, now)
        if arrived:
            chunks += self._discover(arrived)
        return tuple(chunks)

    def compact(self) -> None:
        """Join the small chunks that came one by one. Snapshots taken before don't compare with later ones."""
        whole: list[Chunk | None] = []
        for kind in WATCHED:
            parts: list[Chunk] = []
            for chunk in self._chunks:
                if chunk is None or chunk.kind is not kind:
                    continue
                if len(chunk.containers) >= CHUNK // 2:
                    whole.append(chunk)
                else:
                    parts.append(chunk)
                    if sum(len(part.containers) for part in parts) >= CHUNK:
                        whole.append(_concatenated(parts))
                        parts = []
            if parts:
                whole.append(_concatenated(parts))
        self._chunks = whole

    @property
    def is_scattered(self) -> bool:
        """Whether there are many more chunks than the containers need."""
        return len(self._chunks) > 2 * (self.containers // CHUNK + len(WATCHED))

    def _fresh(self, before: Chunk, now: Chunk) -> Iterator[object]:
        """What the containers of a chunk hold now and did not hold before."""
        if before.referent_counts == now.referent_counts:
            fresh = list(compress(now.referents, map(is_not, now.referents, before.referents)))
        else:
            held = set(map(identity, before.referents))
            fresh = [thing for thing in now.referents if identity(thing) not in held]
        self.churn += len(fresh) + max(0, len(before.referents) - len(now.referents))
        if now.kind is not Kind.MAPPING or same(before.keys, now.keys):
            return iter(fresh)
        # The referents of a subclass of dict are read without its keys.
        return chain(fresh, (key for key in now.keys if type(key) is not str))

    # -------------------------------------------------------------------------------------------- discovery

    def plan(self, cls: type) -> Plan:
        """How instances of ``cls`` are read; remembered."""
        known = self._plans.get(identity(cls))
        if known is None:
            # The class is kept so that its identity stays its own.
            known = self._plans[identity(cls)] = self.scope.plan(cls), cls
        return known[0]

    def _discover(self, roots: Iterable[object]) -> Iterator[Chunk]:
        """Walk through all that the roots lead to and that wasn't met yet, level by level."""
        found: dict[Kind, list[Any]] = {kind: [] for kind in WATCHED}
        seen, plans = self._seen, self._plans
        level: list[Any] = list(roots)
        while level:
            arrived: list[Any] = []
            for thing in level:
                cls = type(thing)
                known = plans.get(identity(cls))
                plan = known[0] if known is not None else self.plan(cls)
                kind = plan.kind
                if kind is Kind.ATOM:
                    continue
                place = identity(thing)
                if place in seen:
                    continue
                seen[place] = thing
                if kind >= Kind.DICT:
                    if EMBEDDED and kind is Kind.DICT and thing and not get_referents(thing):
                        kind = Kind.MAPPING  # the namespace of an instance that wasn't met yet
                        arrived += dict.values(thing)
                    found[kind].append(thing)
                elif not self._enters(kind, thing):
                    continue
                arrived += self._children(plan, thing, found)
            level = arrived
        for kind, containers in found.items():
            for start in range(0, len(containers), CHUNK):
                chunk = make_chunk(kind, tuple(containers[start : start + CHUNK]), self.plan)
                if chunk is not None:
                    yield chunk

    def _children(self, plan: Plan, thing: Any, found: dict[Kind, list[Any]]) -> Iterable[object]:
        """What a thing holds, after what is special about its namespace."""
        if plan.kind is Kind.FUNCTION:
            namespace = thing.__dict__
            if type(namespace) is dict and not namespace:
                self._add(Kind.EMPTY_DICT, namespace, found)
        if plan.slots and plan.kind is not Kind.OBJECT:
            found[Kind.SLOTS].append(thing)
        if plan.namespace is not None:
            namespace = plan.namespace(thing)
            for name in plan.unwatched:
                value = dict.get(namespace, name)
                self._seen[identity(value)] = value
            if EMBEDDED:  # its referents don't show all that it holds
                self._add(Kind.MAPPING, namespace, found)
                return [*dict.values(namespace), *children(plan.kind, plan, thing)]
        return children(plan.kind, plan, thing)

    def _add(self, kind: Kind, container: Any, found: dict[Kind, list[Any]]) -> None:
        """Watch a container as one of a kind that its type doesn't tell."""
        if identity(container) not in self._seen:
            self._seen[identity(container)] = container
            found[kind].append(container)

    def _enters(self, kind: Kind, thing: Any) -> bool:
        if kind is Kind.WALK:
            return True
        if kind is Kind.MODULE:
            return self._enters_what_is_of(module_namespace(thing).get("__name__"))
        if kind is Kind.CLASS:
            return is_heap_type(thing) and self._enters_what_is_of(class_namespace(thing).get("__module__"))
        home = function_module(thing)
        if self._enters_what_is_of(home):
            return True
        # A decorator's function says by its __module__ whose function it wraps.
        return not self.scope.leaves_out(home) and self._enters_what_is_of(thing.__module__)

    def _enters_what_is_of(self, name: object) -> bool:
        return self.scope.enters_module(name) if type(name) is str else True


def _is_as_before(chunk: Chunk) -> bool:
    try:
        referents, keys = read(chunk.kind, chunk.containers)
    except RuntimeError:  # another thread is changing a dictionary
        return False
    # Slots are read by their names only where something changed.
    return same(referents, chunk.referents) and (chunk.kind in NAMED or same(keys, chunk.keys))


def make_chunk(kind: Kind, containers: tuple[Any, ...], plan: Callable[[type], Plan]) -> Chunk | None:
    """Read containers of one kind, with the bounds between them; None if they never hold still."""
    if kind is Kind.EMPTY_DICT:
        return Chunk(kind, containers, [], [], [], [])
    for _ in range(RETRIES):
        try:
            referents, keys = read(kind, containers)
            referent_counts = list(_counts(kind, containers))
        except RuntimeError:  # another thread is changing a dictionary
            continue
        key_counts = list(map(dict.__len__, containers)) if kind in KEYED else []
        if kind in NAMED:
            names = [list(_slots_in_use(plan(type(container)), container)) for container in containers]
            keys, key_counts = list(chain.from_iterable(names)), list(map(len, names))
        if sum(referent_counts) == len(referents) and sum(key_counts) == len(keys):
            ordered = _in_order_of_keys(containers, referents) if kind is Kind.DICT else {}
            return Chunk(kind, containers, referents, keys, referent_counts, key_counts, ordered)
    return None


def _in_order_of_keys(containers: tuple[Any, ...], referents: list[object]) -> Mapping[int, list[object]]:
    if same(referents, list(chain.from_iterable(map(dict.values, containers)))):
        return {}
    ordered = {}
    for container in containers:
        values, shown = list(dict.values(container)), get_referents(container)
        if len(shown) != 2 * len(values) and not same(values, shown):
            ordered[identity(container)] = values
    return ordered


def _slots_in_use(plan: Plan, thing: Any) -> Iterator[object]:
    for name, get in plan.slots:
        try:
            get(thing)
        except AttributeError:
            continue
        yield name


def _counts(kind: Kind, containers: tuple[Any, ...]) -> Iterable[int]:
    if kind is Kind.MAPPING:
        return map(dict.__len__, containers)
    if kind in (Kind.SEQUENCE, Kind.SET_SUBCLASS):
        return (len(read(kind, (container,))[0]) for container in containers)
    return map(len, map(get_referents, containers))


def _concatenated(parts: Sequence[Chunk]) -> Chunk:
    """One chunk of the containers of several of the same kind."""
    return Chunk(
        parts[0].kind,
        tuple(chain.from_iterable(part.containers for part in parts)),
        list(chain.from_iterable(part.referents for part in parts)),
        list(chain.from_iterable(part.keys for part in parts)),
        list(chain.from_iterable(part.referent_counts for part in parts)),
        list(chain.from_iterable(part.key_counts for part in parts)),
        dict(chain.from_iterable(part.ordered.items() for part in parts)),
    )


def contents_before(chunk: Chunk) -> Iterable[Content]:
    """What each container of a chunk held; nothing each where they were all empty dictionaries."""
    if chunk.kind is Kind.EMPTY_DICT:
        return (Content([], []) for _ in chunk.containers)
    return chunk.contents()


class Change(NamedTuple):
    """A container that doesn't hold what it held."""

    kind: Kind
    container: Any
    before: Content
    after: Content


def changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """The containers whose content differs between two snapshots of one heap, by identity of what they hold."""
    for old, new in zip(before, after, strict=False):
        if old is None or new is None or old is new:
            continue
        for container, was, now in zip(
            new.containers, contents_before(old), contents_before(new), strict=True
        ):
            if not (same(was.referents, now.referents) and same(was.keys, now.keys)):
                yield Change(new.kind, container, was, now)


def absorb(before: Snapshot, start: Snapshot, end: Snapshot) -> Snapshot:
    """What ``before`` would have been, had all that changed from ``start`` to ``end`` been there already."""
    return tuple(
        _absorb_chunk(before[position] if position < len(before) else None, start, end, position)
        for position in range(len(end))
    )


def _absorb_chunk(base: Chunk | None, start: Snapshot, end: Snapshot, position: int) -> Chunk | None:
    if position >= len(start):
        return end[position]  # reached for the first time within the interval: part of what is absorbed
    first, last = start[position], end[position]
    if base is None or first is last or last is None:
        return base
    if base is first:
        return last
    assert first is not None
    merged: list[Content] = []
    rows = zip(contents_before(base), contents_before(first), contents_before(last), strict=True)
    for old, from_, to in rows:
        merged.append(_absorb_content(last.kind, old, from_, to))
    return _join(last.kind, last.containers, merged)


def _absorb_content(kind: Kind, old: Content, start: Content, end: Content) -> Content:
    if _equal(start, end):
        return old
    if _equal(old, start):
        return end
    if kind in NAMED:
        named = _merged_pairs(*(_slots(content) for content in (old, start, end)))
        return Content(
            [*(value for _, value in named), *end.referents[len(end.keys) :]], [name for name, _ in named]
        )
    if kind not in KEYED:
        return Content(_merged(old.referents, start.referents, end.referents), end.keys)
    pairs = _merged_pairs(by_key(old), by_key(start), by_key(end))
    keys = [key for key, _ in pairs]
    if kind is Kind.MAPPING:
        return Content([value for _, value in pairs], keys)
    # Values and keys in pairs, as the garbage collector shows dictionaries with keys of any type.
    return Content([part for key, value in pairs for part in (value, key)], keys)


_Pairs = dict[object, tuple[object, object]]


def _merged_pairs(was: _Pairs, first: _Pairs, last: _Pairs) -> list[tuple[object, object]]:
    """What was there, with what changed from the first to the last."""
    merged = {place: pair for place, pair in was.items() if place in last or place not in first}
    merged |= {
        place: pair for place, pair in last.items() if place not in first or first[place][1] is not pair[1]
    }
    return list(merged.values())


def _merged(old: list[object], start: list[object], end: list[object]) -> list[object]:
    if len(old) == len(start) == len(end):
        return [was if first is last else last for was, first, last in zip(old, start, end, strict=True)]
    return [*without(end, without(start, old)), *without(old, start)]


def without(
    these: Iterable[Any], those: Iterable[Any], same_as: Callable[[Any], object] = identity
) -> list[Any]:
    """The elements of one list that the other doesn't have, each as often as it has too many."""
    there = Counter(map(same_as, those))
    missing = []
    for thing in these:
        place = same_as(thing)
        if there[place]:
            there[place] -= 1
        else:
            missing.append(thing)
    return missing


def _slots(content: Content) -> _Pairs:
    return {name: (name, value) for name, value in zip(content.keys, content.referents, strict=False)}


def _equal(one: Content, other: Content) -> bool:
    return same(one.referents, other.referents) and same(one.keys, other.keys)


def _join(kind: Kind, containers: tuple[Any, ...], contents: Sequence[Content]) -> Chunk:
    return Chunk(
        kind,
        containers,
        [referent for content in contents for referent in content.referents],
        [key for content in contents for key in content.keys],
        [len(content.referents) for content in contents],
        [len(content.keys) for content in contents],
    )


_PLAIN_KEYS: Final = frozenset(
    map(identity, (str, bytes, int, float, bool, complex, range, type(None), type(...)))
)


def by_key(content: Content) -> dict[object, tuple[object, object]]:
    """A dictionary's content under keys that are safe to compare: plain values by value, all else by identity."""
    values = content.referents
    if len(values) == 2 * len(content.keys):
        values = values[0::2]
    return {safe_key(key): (key, value) for key, value in zip(content.keys, values, strict=True)}


_KEY_DEPTH: Final = 20  # of tuples within tuples


def safe_key(key: Any, depth: int = _KEY_DEPTH) -> object:
    """What stands for a dictionary's key where comparing it must not run code of the program."""
    cls = type(key)
    if identity(cls) in _PLAIN_KEYS:
        return cls.__name__, key
    if depth and cls is tuple:
        return "tuple", *(safe_key(part, depth - 1) for part in key)
    if depth and cls is frozenset:
        return "frozenset", frozenset(safe_key(part, depth - 1) for part in key)
    return "object", identity(key)
