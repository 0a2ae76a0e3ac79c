"""What the containers reachable from the modules held at one moment, as a value that is cheap to take again.

A snapshot is a row of chunks, each the referents of some hundred containers of one kind. Looking again fetches the
referents of each chunk with one call in C and compares identities; a chunk that holds the very same objects is shared
with the snapshot before. While a snapshot holds the old referents no identity can be used again, so that a mutation
can't hide.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Set
from itertools import chain, compress
from operator import is_not
from typing import Any, Final

from pytest_stateless.heap.brought import Brought
from pytest_stateless.heap.change import Snapshot
from pytest_stateless.heap.chunk import (
    CHUNK,
    Chunk,
    concatenated,
    is_as_before,
    make_chunk,
    make_chunk_of_still_ones,
    renewed,
)
from pytest_stateless.heap.compare import same
from pytest_stateless.heap.diff import Entry
from pytest_stateless.heap.discovery import Discovery, Plans
from pytest_stateless.heap.graph import WATCHED, Kind, identity, module_namespace
from pytest_stateless.heap.met import Count, Met
from pytest_stateless.heap.own import Own
from pytest_stateless.heap.scope import Scope

_OFTEN: Final = 2  # changes of a chunk after which it is split
_PASSES: Final = (
    3  # over the application's own containers, where some lead to others that were met elsewhere before
)
_SMALL: Final = 8  # containers; reading so few anew costs about as much as comparing them


class Heap:
    """Discovers the containers reachable from modules, and looks at them again and again.

    It holds live objects, so it lives no longer than the windows that use it.
    """

    def __init__(
        self,
        modules: dict[str, types.ModuleType],
        scope: Scope,
        *,
        divided: bool = False,
        apart: Iterable[str] = (),
    ) -> None:
        """``divided`` if the application's own containers are to be looked at alone, too; ``apart`` names modules
        whose namespaces will be.
        """
        self.scope = scope
        self.churn = 0
        """References that were replaced since the discovery: what the heap may hold although nobody else does."""
        self.paths: dict[int, Any] = {}
        """Where containers were found when they changed before, by identity: the same few change again and again."""
        self.written: tuple[frozenset[str], frozenset[str]] | None = None
        """Modules, and the attributes that their code sets: found out once, if at all."""
        self.lost: set[int] = set()
        """Watched containers that no module leads to any more, by identity; as far as was asked since the last look."""
        self._asked: set[int] = set()
        self._modules = modules
        self._looked_at_again: list[int] | None = None
        """Where ``look_again`` looks; None until it is known."""
        self._moves: Counter[int] = Counter()
        """How often a chunk was found changed, by its position, since it was last split."""
        self._shape = 0, 0
        """How many chunks there were, and how many that moved, when it was last asked whether they are scattered."""
        self._plans = Plans(scope)
        self.plan: Final = self._plans.of
        """How instances of a class are read."""
        self._seen: dict[int, object] = dict.fromkeys(scope.without_objects)
        self._discovery = Discovery(scope, self._plans, self._seen)
        self._chunks: list[Chunk | None] = []
        self._brought = Brought(self._chunks)
        self._met = Met(modules, self._chunks, self._seen, self._brought.let_go_of)
        self._own: Own | None = None
        if divided and scope.modules is None:
            self._own = Own(modules, scope, self._chunks, self._reached, self.plan)
            self._own.find()
        self._forget_ourselves()
        roots: list[object] = [modules]
        for name, namespace in self._module_namespaces():
            roots += self._watched_apart(namespace) if type(name) is str and name in apart else [namespace]
        self._chunks += self._discover(roots)

    def _watched_apart(self, namespace: dict[str, object]) -> list[object]:
        """Watch a namespace in a chunk of its own. Returns what it leads to."""
        chunk = make_chunk(Kind.DICT, (namespace,), self.plan)
        if chunk is None or identity(namespace) in self._seen:
            return [namespace]
        self._seen[identity(namespace)] = namespace
        self._chunks.append(chunk)
        return [*chunk.referents, *chunk.keys]

    def _reached(self, scope: Scope) -> Iterator[int]:
        """Identities of what there is within another scope."""
        return (identity(thing) for thing in Heap(self._modules, scope).things())

    def _forget_ourselves(self) -> None:
        holders = (self, self._plans, self._discovery, self._met, self._brought)
        held = (self.paths, self.lost, self._asked, self._seen, self._plans.known, self._moves)
        for own in (*holders, *map(vars, holders), *held):
            self._seen[identity(own)] = None

    def _module_namespaces(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Of the watched modules, under the names by which they are loaded."""
        for loaded, module in list(self._modules.items()):
            if self.plan(type(module)).kind is Kind.MODULE:
                namespace = module_namespace(module)
                name = namespace.get("__name__")
                if type(name) is not str or self.scope.enters_module(name):
                    yield loaded, namespace

    @property
    def containers(self) -> int:
        """How many containers are watched."""
        return sum(len(chunk.containers) for chunk in self._chunks if chunk)

    @property
    def references(self) -> int:
        """How many references the watched containers hold."""
        return sum(len(chunk.referents) for chunk in self._chunks if chunk)

    def read_by(self, readers: Container[object]) -> Iterator[object]:
        """What is watched by one of these readers, as of the last look."""
        for chunk in self._chunks:
            if chunk is not None and chunk.kind is Kind.INSIDE:
                yield from compress(chunk.containers, map(readers.__contains__, chunk.keys))

    def watched_as(self, kind: Kind) -> list[Any]:
        """All containers that are watched as one kind."""
        return [thing for chunk in self._chunks if chunk and chunk.kind is kind for thing in chunk.containers]

    def has_module(self, name: str) -> bool:
        """Whether a module of that name is loaded and watched."""
        return name in self._modules and self.scope.enters_module(name)

    def has_met(self, thing: object) -> bool:
        """Whether a module leads, or led, to a thing that can change or hold what can."""
        return thing is not None and self._seen.get(identity(thing)) is thing

    def things(self) -> list[object]:
        """All that modules lead to, or led to when it was met, and that can change or hold what can."""
        return list(self._seen.values())

    @property
    def met(self) -> Count:
        """How many ``things`` there are."""
        return Count(len(self._seen), self._met.lost)

    @property
    def chunks(self) -> Snapshot:
        """What the last look saw."""
        return tuple(self._chunks)

    def types(self) -> list[type]:
        """The types of all that was met."""
        return [cls for _, cls in self._plans.known.values()]

    def look(self) -> Snapshot:
        """What every container holds now. Containers that are new in those that changed are watched from now on."""
        return self._look_at(range(len(self._chunks)))

    def look_at_own(self) -> tuple[Snapshot, Set[int] | None]:
        """What the last look saw, with what the application's own containers hold now, and the identities of these.

        None for identities where it is all that was looked at.
        """
        own = self._own
        for _ in range(_PASSES):
            if own is None or not own.are_few:
                break
            places = own.find()
            snapshot = self._look_at(own.positions)
            if own.are_known:
                return snapshot, places
        return self.look(), None

    def look_again(self, modules: Iterable[str]) -> Snapshot:
        """What the last look saw, with what the namespaces of some modules hold now: no others have changed since."""
        if self._looked_at_again is None:
            wanted = {
                identity(module_namespace(self._modules[name])) for name in modules if self.has_module(name)
            }
            self._looked_at_again = [
                position
                for position, chunk in enumerate(self._chunks)
                if chunk is not None and not wanted.isdisjoint(map(identity, chunk.containers))
            ]
        return self._look_at(self._looked_at_again)

    def _look_at(self, positions: Iterable[int]) -> Snapshot:
        self._met.rest()
        self.lost.clear()
        self._asked.clear()
        arrived: list[object] = []
        chunks = self._chunks
        for position in positions:
            chunk = chunks[position]
            assert chunk is not None
            if chunk.kind is Kind.EMPTY_DICT:
                if any(chunk.containers):
                    chunks[position] = now = renewed(chunk, Kind.DICT, self.plan)
                    arrived += self._note(position, now.referents)
                continue
            if is_as_before(chunk):
                continue
            chunks[position] = now = renewed(chunk, chunk.kind, self.plan)
            self._moves[position] += 1
            arrived += self._note(position, list(self._fresh(chunk, now)))
        if arrived:
            chunks += self._discover(arrived)
        return tuple(chunks)

    def _note(self, position: int, arrived: list[object]) -> list[object]:
        if self._own is not None:
            self._own.note(position, arrived)
        return arrived

    def await_import(self) -> None:
        """An import begins: what it changes elsewhere will be its own."""
        self._brought.begin(self.plan)

    def meet(self) -> None:
        """Watch the modules that were imported since, from what they hold now on."""
        self._met.rest()
        brought = self._brought.end(self.plan)
        for name, namespace in self._module_namespaces():
            if identity(namespace) not in self._seen:
                self._met.watch(name, namespace, self._discover([namespace]))
        self._met.take_in(self._discover(brought))
        self._met.listen()

    def without_imported(self, container: object, found: list[Entry]) -> list[Entry]:
        """What differs in a container, but for what imports within the window put there or took away."""
        return self._brought.without(container, found)

    def begun(self, snapshot: Snapshot) -> Snapshot:
        """A snapshot with what modules that were imported after it held right after their import."""
        begun = self._met.begun
        length = max(begun, default=-1) + 1
        return snapshot + tuple(begun.get(position) for position in range(len(snapshot), length))

    def lose(self, suspects: Iterable[int], ancestors: Iterable[int]) -> None:
        """Find out which of these containers no module leads to any more: a walk through their ancestors alone."""
        suspects = set(suspects) - self._asked
        if suspects:
            self._asked |= suspects
            seen: dict[int, object] = dict.fromkeys(self._seen)
            for place in ancestors:
                seen.pop(place, None)
            roots = [namespace for _, namespace in self._module_namespaces()]
            Discovery(self.scope, self._plans, seen).walk(roots)
            self.lost |= suspects - seen.keys()

    def let_go(self) -> None:
        """Nobody looks at it any more."""
        self._met.clear()
        self._brought.forget()

    def settle(self) -> None:
        """Split what changes again and again, join what came one by one.

        Snapshots taken before don't compare with later ones.
        """
        self._met.clear()
        self._brought.forget()
        if self.lost:
            self._drop(self.lost)
        for position, moves in list(self._moves.items()):
            chunk = self._chunks[position]
            if chunk is not None and moves >= _OFTEN and len(chunk.containers) > _SMALL:
                self._split(position, chunk)
        if self._shape != (len(self._chunks), len(self._moves)):
            if self.is_scattered:
                self._compact()
            self._shape = len(self._chunks), len(self._moves)

    def _forget_positions(self) -> None:
        self._looked_at_again = None
        if self._own is not None:
            self._own.move()

    def _drop(self, lost: set[int]) -> None:
        """Watch some containers no longer. Should a module lead to one again, it is met as if it were new."""
        for position, chunk in enumerate(self._chunks):
            assert chunk is not None
            if not lost.isdisjoint(map(identity, chunk.containers)):
                kept = tuple(thing for thing in chunk.containers if identity(thing) not in lost)
                self._chunks[position] = make_chunk(chunk.kind, kept, self.plan) or chunk
        self._met.forget(lost)
        self._shape = 0, 0
        self._forget_positions()
        if self._own is not None:
            self._own.forget()  # what is let go of may leave its place to something else

    def _split(self, position: int, chunk: Chunk) -> None:
        """Halve a chunk: what moves with every test ends up in small ones, which are cheap to read anew."""
        middle = len(chunk.containers) // 2
        halves = [
            make_chunk(chunk.kind, containers, self.plan)
            for containers in (chunk.containers[:middle], chunk.containers[middle:])
        ]
        if None not in halves:
            self._chunks[position] = halves[0]
            self._chunks.append(halves[1])
            del self._moves[position]
            self._forget_positions()

    def _compact(self) -> None:
        whole: list[Chunk | None] = []
        moves: Counter[int] = Counter()
        small: dict[Kind, list[Chunk]] = {kind: [] for kind in WATCHED}
        for position, chunk in enumerate(self._chunks):
            assert chunk is not None
            if self._moves[position] >= _OFTEN:
                moves[len(whole)] = _OFTEN
            elif len(chunk.containers) < CHUNK // 2:
                parts = small[chunk.kind]
                parts.append(chunk)
                if sum(len(part.containers) for part in parts) < CHUNK:
                    continue
                chunk, small[chunk.kind] = concatenated(parts), []
            whole.append(chunk)
        self._chunks[:] = [*whole, *(concatenated(parts) for parts in small.values() if parts)]
        self._moves = moves
        self._forget_positions()

    @property
    def is_scattered(self) -> bool:
        """Whether there are many more chunks than the containers need."""
        needed = self.containers // CHUNK + len(WATCHED)
        return len(self._chunks) - len(self._moves) > 2 * needed

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

    def _discover(self, roots: Iterable[object]) -> Iterator[Chunk]:
        """What can change of all that the roots lead to and that wasn't met yet, in chunks."""
        for kind, containers in self._discovery.walk(roots).items():
            are_known = self._own is not None and self._own.are_known
            for part in self._own.divided(containers) if self._own and are_known else (containers,):
                for start in range(0, len(part), CHUNK):
                    chunk = make_chunk_of_still_ones(kind, tuple(part[start : start + CHUNK]), self.plan)
                    if chunk is not None:
                        yield chunk
