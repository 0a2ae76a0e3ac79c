"""A text is found wherever a module leads to it, in each type that can hold one, and its place is spelled."""

from __future__ import annotations

import array
import base64
import contextvars
import ctypes
import functools
import gc
import io
import json
import mmap
import subprocess
import sys
import threading
import types
import weakref
from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.search import Search
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.needles import Needle

SECRET = "canary-7f3c"
RAW = SECRET.encode()


def found_in(module: types.ModuleType, *texts: str) -> dict[str, dict[int, str]]:
    """By their subjects, which texts are found below a module, and how they are spelled."""
    modules = {module.__name__: module}
    heap = Heap(modules, Scope(frozenset(modules)))
    return {
        place.subject: dict(place.found)
        for place in Search(heap).find(
            heap.look(), lambda: [modules], [Needle(text) for text in texts or [SECRET]]
        )
    }


@pytest.fixture
def shop() -> types.ModuleType:
    """An empty module."""
    return types.ModuleType("shop")


def test_the_state_of_a_module_of_c_is_not_asked_for() -> None:
    """On 3.12, asyncio's hands out freed objects, which makes a circle of them, and no end the next time."""
    script = """
import asyncio, _asyncio, resource, types
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.search import Search
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.needles import Needle

async def wait():
    await asyncio.sleep(0.001)

async def both():
    await asyncio.gather(wait(), wait())

asyncio.run(both())
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
shop = types.ModuleType("shop")
shop.secrets = ["canary-7f3c"]
modules = {"shop": shop, "_asyncio": _asyncio}
heap = Heap(modules, Scope(frozenset(modules)))
for _ in range(3):
    [place] = Search(heap).find(heap.look(), lambda: [modules], [Needle("canary-7f3c")])
print(place.subject)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout == "shop.secrets[0]\n"


class Session:
    """An instance with a dictionary."""

    def __init__(self, token: object) -> None:
        self.token = token


class Slotted:
    """An instance without one."""

    __slots__ = ("token",)

    def __init__(self, token: object) -> None:
        self.token = token


class Text(str):  # noqa: SLOT000 - one with a dictionary
    """Text that says something else of itself."""

    def __str__(self) -> str:
        raise AssertionError("code of the program ran")

    __repr__ = __len__ = __eq__ = __hash__ = __contains__ = encode = __str__  # type: ignore[assignment]


class Binary(bytes):
    """Bytes that say something else of themselves."""

    def __bytes__(self) -> bytes:
        raise AssertionError("code of the program ran")

    __repr__ = __len__ = __getitem__ = __bytes__  # type: ignore[assignment]


class Hostile:
    """Whoever asks it anything is told off."""

    token = ""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError("code of the program ran")


def hostile() -> Hostile:
    made = Hostile()
    object.__setattr__(made, "token", SECRET)
    return made


Login = namedtuple("Login", "user password")


def mapped() -> mmap.mmap:
    made = mmap.mmap(-1, 64)
    made.write(b"x" + RAW)
    return made


def closed() -> io.BytesIO:
    made = io.BytesIO(RAW)
    made.close()
    return made


def closed_text() -> io.StringIO:
    made = io.StringIO(SECRET)
    made.close()
    return made


def released() -> memoryview:
    made = memoryview(array.array("b", RAW))
    made.release()
    return made


def in_context() -> contextvars.ContextVar[str]:
    made: contextvars.ContextVar[str] = contextvars.ContextVar("made")
    made.set(SECRET)
    return made


def of_thread() -> threading.local:
    made = threading.local()
    made.token = SECRET
    return made


def cached() -> Callable[[str], int]:
    @functools.lru_cache
    def check(token: str) -> int:
        return 1

    check(SECRET)
    check.__wrapped__.__module__ = "shop"
    return check


def numpy_array() -> Any:
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(b"x" + RAW, dtype="uint8")


def numpy_text() -> Any:
    return pytest.importorskip("numpy").str_(SECRET)


def suspended() -> Any:
    def wait(token: str) -> Any:
        yield 1

    if sys.version_info < (3, 11):
        pytest.skip("only its frame is known")
    made = wait(SECRET)
    next(made)
    return made


HOLDING: dict[str, tuple[Callable[[], object], str | None]] = {
    "text": (lambda: SECRET, ""),
    "part": (lambda: f"Bearer {SECRET}!", ""),
    "bytes": (lambda: RAW, ""),
    "bytearray": (lambda: bytearray(RAW), ""),
    "memoryview": (lambda: memoryview(b"x" + RAW), ""),
    "memoryview-of-bytearray": (lambda: memoryview(bytearray(RAW)), ""),
    "array": (lambda: array.array("b", RAW), ""),
    "wide-array": (lambda: array.array("I", b"123" + RAW + b"12"), ""),
    "mmap": (mapped, ""),
    "bytesio": (lambda: io.BytesIO(RAW), ""),
    "stringio": (lambda: io.StringIO(SECRET), ""),
    "ctypes": (lambda: (ctypes.c_char * 64)(*RAW), ""),
    "numpy": (numpy_array, ""),
    "numpy-text": (numpy_text, ""),
    "closed": (closed, None),
    "closed-text": (closed_text, None),
    "released": (released, None),
    "list": (lambda: [1, SECRET], "[1]"),
    "deque": (lambda: deque(["", RAW]), "[1]"),
    "tuple": (lambda: (1, (SECRET,)), "[1][0]"),
    "namedtuple": (lambda: Login("bob", SECRET), ".password"),
    "dict": (lambda: {"bob": {"password": SECRET}}, "['bob']['password']"),
    "key": (lambda: {f"user {SECRET}": 1}, "['user canary-7f3c']"),
    "key-of-bytes": (lambda: {RAW: 1}, "[b'canary-7f3c']"),
    "key-in-tuple": (lambda: {("bob", SECRET): 1}, "<key>[1]"),
    "defaultdict": (lambda: defaultdict(list, bob=[SECRET]), "['bob'][0]"),
    "ordered": (lambda: OrderedDict(bob=SECRET), "['bob']"),
    "userdict": (lambda: UserDict(bob=SECRET), ".data['bob']"),
    "set": (lambda: {SECRET}, ""),
    "frozenset": (lambda: frozenset({SECRET}), ""),
    "instance": (lambda: Session(SECRET), ".token"),
    "slots": (lambda: Slotted(SECRET), ".token"),
    "text-of-a-subclass": (lambda: Text(SECRET), ""),
    "bytes-of-a-subclass": (lambda: [Binary(RAW)], "[0]"),
    "hostile": (hostile, ".token"),
    "default": (lambda: lambda token=SECRET: token, ".<defaults>.token"),
    "bound": (lambda: Session(SECRET).__init__, ".__self__.token"),  # type: ignore[misc]
    "partial": (lambda: functools.partial(print, SECRET), ".args[0]"),
    "context-variable": (in_context, ""),
    "thread-local": (of_thread, ".token"),
    "generator": (suspended, ""),
    "weak": (lambda: weakref.WeakKeyDictionary({Session: SECRET}), ".data[<ReferenceType>]"),
    "json": (lambda: json.dumps({"token": SECRET}), ""),
    "base64": (lambda: base64.b64encode(b"user:" + RAW), ""),
    "exception": (lambda: ValueError(SECRET), "<tuple>[0]"),
    "other": (lambda: ["canary-7f3d", b"canary", {"canary": "7f3c"}], None),
}


@pytest.mark.parametrize("name", HOLDING)
def test_a_text_is_found_in_what_holds_it(name: str, shop: Any) -> None:
    make, told = HOLDING[name]
    shop.kept = make()
    assert list(found_in(shop)) == ([] if told is None else [f"shop.kept{told}"])


def test_a_view_is_told_beside_what_it_shows(shop: Any) -> None:
    shop.kept = io.BytesIO(b"x" + RAW).getbuffer()
    assert "shop.kept" in found_in(shop)


def test_what_a_cache_of_the_program_remembers_is_found(shop: Any) -> None:
    source = "import functools\n@functools.lru_cache\ndef check(token, more): return more\n"
    exec(source, vars(shop))
    vars(shop).pop("__builtins__")
    shop.check(1, SECRET)
    (subject,) = found_in(shop)
    assert subject.startswith("shop.check.<cache>")


def test_a_text_in_several_places_is_told_of_each(shop: Any) -> None:
    shop.first, shop.second = [SECRET], {"bob": SECRET}
    assert found_in(shop) == {"shop.first[0]": {0: ""}, "shop.second['bob']": {0: ""}}


def test_several_texts_are_told_apart(shop: Any) -> None:
    shop.kept = [SECRET, f"{RAW.hex()} and other-one", "other-one"]
    assert found_in(shop, SECRET, "other-one") == {
        "shop.kept[0]": {0: ""},
        "shop.kept[1]": {0: "hexadecimal", 1: ""},
        "shop.kept[2]": {1: ""},
    }


def test_nothing_is_found_across_two_texts(shop: Any) -> None:
    shop.kept = ["one", "two"]
    assert found_in(shop, "one\ntwo", "two\none") == {}


def test_what_no_module_leads_to_any_more_is_not_found() -> None:
    shop: Any = types.ModuleType("shop")
    shop.kept = [[SECRET]]
    modules = {"shop": shop}
    heap = Heap(modules, Scope(frozenset(modules)))
    shop.kept = []
    assert Search(heap).find(heap.look(), lambda: [modules], [Needle(SECRET)]) == []


def test_only_what_changed_is_searched_again(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.first, shop.second, shop.third = {"bob": SECRET}, [1], [bytearray(b"one")]
    modules = {"shop": shop}
    heap, needles = Heap(modules, Scope(frozenset(modules))), [Needle(SECRET)]
    search = Search(heap)

    def found() -> list[str]:
        return sorted(place.subject for place in search.find(heap.look(), lambda: [modules], needles))

    assert found() == ["shop.first['bob']"]
    with monkeypatch.context() as patching:
        patching.setattr(search._batches, "things", None)
        assert found() == ["shop.first['bob']"]
    shop.second.append([SECRET])
    assert found() == ["shop.first['bob']", "shop.second[1][0]"]
    shop.first.clear()
    shop.third[0] += RAW
    assert found() == ["shop.second[1][0]", "shop.third[0]"]
    shop.third[0].clear()
    assert found() == ["shop.second[1][0]"]
    shop.first["eve"] = "one"
    needles.append(Needle("one"))
    assert found() == ["shop.first['eve']", "shop.second[1][0]"]
    needles[:] = [Needle("one"), Needle("two")]
    assert found() == ["shop.first['eve']"]
    del shop.first
    assert found() == []


def test_what_is_added_is_found_beside_what_was_known(shop: Any) -> None:
    shop.kept = [f"{SECRET} one", bytearray(b"one two " + RAW), b"two"]
    modules = {"shop": shop}
    heap = Heap(modules, Scope(frozenset(modules)))
    search, needles = Search(heap), [Needle(SECRET)]

    def found() -> dict[str, list[int]]:
        places = search.find(heap.look(), lambda: [modules], needles)
        return {place.subject: sorted(place.found) for place in places}

    assert found() == {"shop.kept[0]": [0], "shop.kept[1]": [0]}
    needles.append(Needle("one"))
    assert found() == {"shop.kept[0]": [0, 1], "shop.kept[1]": [0, 1]}
    needles.append(Needle("two"))
    shop.kept[0] = "two"
    assert found() == {"shop.kept[0]": [2], "shop.kept[1]": [0, 1, 2], "shop.kept[2]": [2]}
    shop.kept[1][:] = b"one"
    assert found() == {"shop.kept[0]": [2], "shop.kept[1]": [1], "shop.kept[2]": [2]}


class Shop:
    """A module that is searched, and for what."""

    def __init__(self) -> None:
        self.module: Any = types.ModuleType("shop")
        self.modules = {"shop": self.module}
        self.needles: list[Needle] = []
        self.module.first, self.module.second, self.module.third = [SECRET], [1], [bytearray(b"one")]
        exec("def f(a=1): pass", self.module.__dict__)
        self.heap = Heap(self.modules, Scope(frozenset({"shop", "later"})))
        self.search = Search(self.heap)

    def found(self) -> list[str]:
        places = self.search.find(self.heap.look(), lambda: [self.modules], self.needles)
        return sorted(place.subject for place in places)


CHANGES: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "nothing": (lambda shop: None, []),
    "added": (lambda shop: shop.second.append(SECRET), ["shop.second[1]"]),
    "replaced": (lambda shop: setattr(shop, "second", SECRET), ["shop.second"]),
    "in-a-new-tuple": (lambda shop: shop.second.append((SECRET,)), ["shop.second[1][0]"]),
    "in-a-new-list": (lambda shop: shop.second.append([SECRET]), ["shop.second[1][0]"]),
    "in-a-buffer": (lambda shop: shop.third[0].extend(RAW), ["shop.third[0]"]),
    "in-a-new-buffer": (lambda shop: shop.third.append(io.BytesIO(RAW)), ["shop.third[1]"]),
    "as-text-of-a-subclass": (lambda shop: shop.second.append(Text(SECRET)), ["shop.second[1]"]),
    "as-a-default": (lambda shop: setattr(shop.f, "__defaults__", (SECRET,)), ["shop.f.<defaults>.a"]),
    "beside": (lambda shop: shop.first.append(1), ["shop.first[0]"]),
}
"""What is done after the moment was noted, and what is found then of a new text. No real one can be where it is in
``shop.first``, whose chunk is searched as a whole where it changes."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_new_text_is_found_in_what_changed_since_it_was_made(name: str) -> None:
    change, told = CHANGES[name]
    shop = Shop()
    shop.search.note()
    shop.needles.append(Needle(SECRET, is_new=True))
    assert shop.found() == []
    change(shop.module)
    assert [one for one in shop.found() if one != "shop.first[0]" or one in told] == told
    shop.needles.append(Needle(SECRET))
    assert shop.found() == sorted({"shop.first[0]", *told})


def test_what_does_not_change_is_not_read_for_a_new_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    shop.search.note()
    shop.needles.append(Needle(SECRET, is_new=True))
    monkeypatch.setattr(shop.search._batches, "straw", None)
    assert shop.found() == []
    shop.module.second.append(2)
    shop.heap.look()
    shop.search.note()  # it is too late
    with pytest.raises(TypeError):
        shop.found()


def test_what_an_instance_got_after_its_dictionary_was_met_is_found() -> None:
    shop = Shop()
    session = Session(1)
    del session.token
    shop.module.third.append(session.__dict__)
    shop.heap.look()
    session.token = SECRET
    shop.needles.append(Needle(SECRET))
    assert "shop.third[1]['token']" in shop.found()


def test_without_a_moment_a_new_text_is_looked_for_everywhere() -> None:
    shop = Shop()
    shop.needles.append(Needle(SECRET, is_new=True))
    assert shop.found() == ["shop.first[0]"]


def test_what_was_met_is_told_from_what_was_forgotten() -> None:
    shop = Shop()
    shop.modules["later"] = later = types.ModuleType("later")
    exec("def function(): pass", vars(later))
    vars(later)["kept"] = [(n,) for n in range(3)]
    shop.heap.meet()
    shop.search.note()
    shop.needles.append(Needle(SECRET, is_new=True))
    assert shop.found() == []
    shop.modules["again"] = types.ModuleType("again")
    shop.heap.meet()
    del shop.modules["later"], later
    gc.collect()
    assert len(shop.heap.things()) < shop.search._batches._met[-1].source.stop  # type: ignore[union-attr]
    shop.module.second.append((SECRET,))
    assert "shop.second[1][0]" in shop.found()
    shop.heap.let_go()


def test_between_windows_nothing_is_held_that_is_gone_and_texts_are_kept() -> None:
    shop = Shop()
    shop.module.second.append(gone := Session(1))
    shop.search.note()
    shop.needles.append(Needle("one"))
    assert shop.found() == ["shop.third[0]"]
    alive = weakref.ref(gone)
    del shop.module.second[1], gone
    shop.heap.look()
    things = [identity(thing) for thing in shop.heap.things()]
    shop.heap.lose(things, things)
    shop.heap.settle()
    shop.search.rest()
    assert alive() is None
    shop.search.note()
    shop.needles[:] = [Needle(SECRET, is_new=True), Needle("canary")]
    assert shop.found() == ["shop.first[0]"]
    assert [
        dict(place.found)
        for place in shop.search.find(shop.heap.look(), lambda: [shop.modules], shop.needles)
    ] == [{1: ""}]


def test_a_text_and_bytes_are_never_compared(shop: Any, recwarn: pytest.WarningsRecorder) -> None:
    shop.kept = [SECRET, RAW]
    assert len(found_in(shop)) == 2
    assert not recwarn.list


nested: st.SearchStrategy[Any] = st.recursive(
    st.just(SECRET) | st.just(RAW) | st.text(max_size=9) | st.binary(max_size=9) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9) | st.just(SECRET), inner, max_size=3)
        | st.tuples(inner, inner)
        | inner.map(Session)
        | inner.map(lambda held: [held])
    ),
    max_leaves=12,
)


def holds(value: Any) -> bool:
    if isinstance(value, Session):
        return holds(value.token)
    if isinstance(value, dict):
        return any(map(holds, value)) or any(map(holds, value.values()))
    if isinstance(value, list | tuple):
        return any(map(holds, value))
    return value in (SECRET, RAW)


@settings(deadline=None, max_examples=60)
@given(nested)
def test_a_text_is_found_exactly_where_it_is(value: Any) -> None:
    shop: Any = types.ModuleType("shop")
    shop.kept = value
    assert bool(found_in(shop)) == holds(value)


@settings(deadline=None, max_examples=60)
@given(nested.filter(lambda value: not holds(value)), nested, st.booleans())
def test_a_new_text_is_found_where_a_full_search_finds_it(before: Any, after: Any, inside: bool) -> None:
    shop = Shop()
    shop.module.__dict__.update(first=1, kept=[before])
    shop.heap.look()
    shop.search.note()
    if inside and isinstance(before, list | dict):
        before.append(after) if isinstance(before, list) else before.update({"after": after})
    else:
        shop.module.kept.append(after)
    shop.needles.append(Needle(SECRET, is_new=True))
    assert shop.found() == sorted(found_in(shop.module))


@pytest.mark.parametrize(
    ("source", "place"),
    [
        pytest.param("def f(*, token=SECRET): return token", ".f.<defaults>['token']", id="default"),
        pytest.param("def f(token): return lambda: token\nf = f(SECRET)", ".f.<closure>.token", id="closure"),
        pytest.param("def f(): return 1\nf.token = SECRET", ".f.token", id="attribute"),
        pytest.param("class C: token = SECRET", ".C.token", id="class"),
        pytest.param("def f(): return 'canary-7f3c'", None, id="constant"),
    ],
)
def test_a_text_is_found_in_a_definition(source: str, place: str | None, shop: Any) -> None:
    exec(source, {"SECRET": SECRET, "__name__": "shop"}, vars(shop))
    assert list(found_in(shop)) == ([] if place is None else [f"shop{place}"])


@pytest.mark.parametrize("size", [1 << 26, (1 << 26) + 1])
def test_of_a_large_buffer_the_beginning_is_searched(size: int, shop: Any) -> None:
    shop.kept = bytearray(size)
    shop.kept[: len(RAW)] = RAW
    assert list(found_in(shop)) == ["shop.kept"]
