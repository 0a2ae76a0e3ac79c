"""Which line of the user's code is said to have moved something, on code that runs."""

from __future__ import annotations

import re
import sys
import textwrap
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pytest_stateless.blame import Trail, Watch
from pytest_stateless.heap.diff import ABSENT, WHOLE, Entry
from pytest_stateless.heap.graph import Kind, class_namespace
from pytest_stateless.heap.watch import Evidence, looks_at
from pytest_stateless.leak import Origin
from pytest_stateless.source import Sources
from pytest_stateless.tracer import follow

FILE = "/shop/cart.py"
PRELUDE = """
import asyncio, contextlib, functools, threading
def nothing(): pass
"""

# Each defines test(), which changes CARTS['bob'], LOG or Shop.visits. The comments 1, 2, … stand on the lines of the
# chain that is expected, the line that did it first; where there are none, nobody is blamed.
PROGRAMS = {
    "set-default-and-append": """
        def add(user):
            CARTS.setdefault(user, []).append(1)  # 1
            return len(CARTS[user])
        def test():
            nothing()
            assert add("bob") == 1  # 2
        """,
    "chain-of-calls": """
        def add(): LOG.append(1)  # 1
        def through():
            add()  # 2
            nothing()
        def test():
            through()  # 3
        """,
    "call-and-then-set-on-one-line": """
        def key(): return "bob"
        def test():
            name = key(); CARTS[name] = 1  # 1
            nothing()
        """,
    "set-and-then-call-on-one-line": """
        def test():
            CARTS["bob"] = 1; nothing()  # 1
            nothing()
        """,
    "set-on-return": """
        def add():
            nothing()
            return LOG.append(1)  # 1
        def test():
            add()  # 2
            nothing()
        """,
    "last-line": """
        def test():
            nothing()
            LOG.append(1)  # 1
        """,
    "statement-of-several-lines": """
        def test():
            LOG.append(  # 1
                nothing()
            )
            nothing()
        """,
    "in-c": """
        def test():
            list(map(LOG.append, [1]))  # 1
            nothing()
        """,
    "in-a-dependency": """
        def test():
            elsewhere(lambda: None, lambda: LOG.append(1))  # 1 2
            nothing()
        """,
    "callback-of-a-dependency": """
        def add():
            LOG.append(1)  # 1
        def test():
            elsewhere(nothing, add)  # 2
        """,
    "by-a-dependency": """
        def test():
            elsewhere(nothing, LOG.clear)  # 1
            nothing()
        """,
    "callback-of-c": """
        def rank(number):
            LOG.append(1)  # 1
            return number
        def test():
            sorted([2, 1], key=rank)  # 2
        """,
    "partial": """
        def test():
            functools.partial(LOG.append, 1)()  # 1
        """,
    "loop": """
        def test():
            for number in (1, 2):
                LOG.append(number)  # 1
        """,
    "first-line-of-a-loop": """
        def test():
            for CARTS["bob"] in (1, 2):  # 1
                nothing()
        """,
    "item-of-a-list": """
        def test():
            LOG[0] = 1000  # 1
        """,
    "deletion": """
        CARTS["bob"] = 1
        def test():
            nothing()
            del CARTS["bob"]  # 1
        """,
    "class-attribute": """
        def test():
            nothing()
            Shop.visits += 1000  # 1
        """,
    "class-attribute-by-a-method": """
        def visit(cls): cls.visits = object()  # 1
        Shop.visit = classmethod(visit)
        def test():
            Shop.visit()  # 2
        """,
    "property": """
        Shop.size = property(lambda self: LOG.append(1))  # 1
        def test():
            Shop().size  # 2
        """,
    "finalizer": """
        def gone(self):
            LOG.append(1)  # 1
        Shop.__del__ = gone
        def test():
            Shop()  # 2
        """,
    "class-body": """
        def test():
            class Till:  # 2
                LOG.append(1)  # 1
        """,
    "before-an-exception": """
        def add():
            LOG.append(1)  # 1
            raise ValueError
        def test():
            with contextlib.suppress(ValueError):
                add()  # 2
        """,
    "with-an-exception": """
        def add():
            raise ValueError(LOG.append(1))  # 1
        def test():
            try:
                add()  # 2
            except ValueError:
                nothing()
        """,
    "exception-in-c": """
        def test():
            try:
                {}[LOG.append(1)]  # 1
            except KeyError:
                nothing()
        """,
    "exception-through-several-functions": """
        def fail():
            LOG.append(1)  # 1
            {}[0]
        def through(): fail()  # 2
        def test():
            with contextlib.suppress(KeyError):
                through()  # 3
        """,
    "handler-of-an-exception": """
        def fail(): raise ValueError
        def test():
            try:
                fail()
            except ValueError:
                LOG.append(1)  # 1
        """,
    "after-an-exception-that-was-caught": """
        def fail(): raise ValueError
        def test():
            with contextlib.suppress(ValueError):
                fail()
            LOG.append(1)  # 1
        """,
    "generator": """
        def numbers():
            yield 1
            LOG.append(1)  # 1
            yield 2
        def test():
            for number in numbers():  # 2
                nothing()
        """,
    "between-the-steps-of-a-generator": """
        def numbers():
            yield 1
            yield 2
        def test():
            for number in numbers():
                LOG.append(number)  # 1
        """,
    "generator-that-is-closed": """
        def numbers():
            try:
                yield 1
            finally:
                LOG.append(1)  # 1
        def test():
            generator = numbers()
            next(generator)
            generator.close()  # 2
        """,
    "generator-that-is-thrown-into": """
        def numbers():
            with contextlib.suppress(ValueError):
                yield 1
            LOG.append(1)  # 1
            yield 2
        def test():
            generator = numbers()
            next(generator)
            generator.throw(ValueError())  # 2
        """,
    "just-before-a-generator-is-thrown-into": """
        def numbers():
            with contextlib.suppress(ValueError):
                yield 1
            yield 2
        def test():
            generator = numbers()
            next(generator)
            LOG.append(1); generator.throw(ValueError())  # 1
        """,
    "generator-that-was-begun-before": """
        def numbers():
            yield 1
            LOG.append(1)  # 1
            yield 2
        generator = numbers()
        next(generator)
        def test():
            next(generator)  # 2
        """,
    "generator-within-a-generator": """
        def inner():
            yield 1
            LOG.append(1)  # 1
        def outer():
            yield from inner()  # 2
        def test():
            list(outer())  # 3
        """,
    "context-manager": """
        @contextlib.contextmanager
        def logging():
            yield
            LOG.append(1)  # 1
        def test():
            with logging():  # 2
                nothing()
        """,
    "tasks-that-take-turns": """
        async def step(number):
            for _ in range(3):
                await asyncio.sleep(0)
            if number == 1:
                LOG.append(number)  # 1
            await asyncio.sleep(0)
        async def steps():
            await asyncio.gather(step(0), step(1), step(2))
        def test():
            asyncio.run(steps())  # 2
        """,
    "coroutine-that-is-awaited": """
        async def step():
            await asyncio.sleep(0)
            LOG.append(1)  # 1
        async def steps():
            await step()  # 2
        def test():
            asyncio.run(steps())  # 3
        """,
    "callback-of-a-loop": """
        def add(): LOG.append(1)  # 1
        async def steps():
            asyncio.get_running_loop().call_soon(add)
            await asyncio.sleep(0)
        def test():
            asyncio.run(steps())  # 2
        """,
    "thread": """
        def add():
            nothing()
            LOG.append(1)  # 1
        def test():
            thread = threading.Thread(target=add)
            thread.start()
            thread.join()
        """,
    "just-before-a-thread": """
        def test():
            LOG.append(1); thread = threading.Thread(target=nothing); thread.start()  # 1
            thread.join()
        """,
    "just-before-a-thread-that-has-the-number-of-another": """
        def start(): thread = threading.Thread(target=nothing); thread.start(); return thread
        def test():
            for _ in range(3):
                start().join()
            thread = threading.Thread(target=nothing)
            LOG.append(1); thread.start()  # 1
            thread.join()
        """,
    "several-threads": """
        def add(number):
            if number == 3:
                LOG.append(1)  # 1
        def test():
            for number in range(5):
                thread = threading.Thread(target=add, args=(number,))
                thread.start()
                thread.join()
        """,
    "after-a-thread": """
        def test():
            thread = threading.Thread(target=nothing)
            thread.start()
            thread.join()
            LOG.append(1)  # 1
        """,
    "undone-and-done-again": """
        def test():
            CARTS["bob"] = 1
            del CARTS["bob"]
            nothing()
            CARTS["bob"] = 2  # 1
        """,
    "the-inside-and-then-the-value": """
        CARTS["bob"] = []
        def test():
            CARTS["bob"].append(1)
            nothing()
            CARTS["bob"] = []  # 1
        """,
    "twice": """
        def test():
            LOG.append(1)  # 1
            LOG.append(2)
        """,
    "early-in-a-long-loop": """
        def test():
            for number in range(3000):
                LOG.append(number)  # 1
        """,
    "late-in-a-long-loop": """
        def add():  # 1
            for number in range(3000):
                if number == 2500:
                    LOG.append(number)
        def test():
            add()  # 2
        """,
    "after-a-long-loop-elsewhere": """
        def long():
            for number in range(3000):
                nothing()
        def test():
            long()
            LOG.append(1)  # 1
        """,
    "called-often-before": """
        def add(number):  # 1
            if number == 2500:
                LOG.append(number)
        def test():
            for number in range(3000):
                add(number)  # 2
        """,
    "a-neighbour": """
        CARTS["bob"] = []
        def test():
            CARTS["eve"] = CARTS.pop("eve", None)
            CARTS["bob"].append(1)  # 1
        """,
    "another-key": """
        CARTS["bob"] = []
        def test():
            nothing()
            CARTS["eve"] = []  # 1
        """,
    "nothing": """
        def test(): nothing()
        """,
    "undone": """
        def test():
            LOG.append(1)
            LOG.pop()
        """,
}


DEPENDENCY = "def elsewhere(first, second):\n    first()\n    second()\n"


def program(text: str) -> dict[str, Any]:
    """The names of a program."""
    names: dict[str, Any] = {"CARTS": {}, "LOG": [0], "Shop": type("Shop", (), {"visits": 1000})}
    exec(compile(DEPENDENCY, "/venv/site-packages/dependency.py", "exec"), names)
    exec(compile(PRELUDE, "/shop/prelude.py", "exec"), names)
    exec(compile(textwrap.dedent(text), FILE, "exec"), names)
    return names


def watches_on(names: dict[str, Any]) -> list[Watch]:
    """Watches on the three places that programs change."""
    evidence = (
        Evidence(Kind.DICT, names["CARTS"], (Entry("bob", ABSENT, None),), False),
        Evidence(Kind.LIST, names["LOG"], (Entry(WHOLE, ABSENT, None),), False),
        Evidence(Kind.DICT, class_namespace(names["Shop"]), (Entry("visits", 1000, None),), True),
    )
    return [Watch(looks_at(one)) for one in evidence]


def chains(trail: Trail, watches: list[Watch], test: Callable[[], object]) -> list[list[str]]:
    """Follow a test; the chains of the watches that moved, told as text."""
    trail.begin(watches)
    assert follow(trail, test)
    trail.end(watches)
    return [[str(origin) for origin in watch.chain] for watch in watches if watch.chain is not None]


def expected(text: str) -> list[str]:
    """File and line of the comments 1, 2, …, in that order."""
    marked = {}
    for number, line in enumerate(textwrap.dedent(text).splitlines(), 1):
        for place in re.findall(r"\d+", line.partition("# ")[2]):
            marked[int(place)] = f"cart.py:{number}"
    return [marked[place] for place in sorted(marked)]


@pytest.fixture(autouse=True)
def _untraced() -> None:
    if sys.version_info < (3, 12) and sys.gettrace() is not None:
        pytest.skip("this run itself is traced")


@pytest.fixture
def trail() -> Trail:
    return Trail(Sources("/shop"))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in PROGRAMS.items()])
def test_the_line_that_did_it_is_blamed_with_the_lines_that_called_it(text: str, trail: Trail) -> None:
    names = program(text)
    found = chains(trail, watches_on(names), names["test"])
    wanted = expected(text)
    assert [[step.partition(" ")[0] for step in chain] for chain in found] == ([wanted] if wanted else [])


def test_a_chain_names_the_functions(trail: Trail) -> None:
    names = program(PROGRAMS["chain-of-calls"])
    assert chains(trail, watches_on(names), names["test"]) == [
        ["cart.py:2 in add", "cart.py:4 in through", "cart.py:7 in test"]
    ]


def test_each_place_has_its_own_line(trail: Trail) -> None:
    names = program("def test():\n    LOG.append(1)\n    CARTS['bob'] = 1\n    Shop.visits = object()\n")
    found = chains(trail, watches_on(names), names["test"])
    assert found == [[f"cart.py:{line} in test"] for line in (3, 2, 4)]


@pytest.mark.parametrize("text", ["LOG.append(1)", "list(map(LOG.append, [1]))"])
def test_what_other_code_does_by_itself_is_nobodys(text: str, trail: Trail) -> None:
    names = program("def test(): nothing()\n")
    other = compile(f"test()\n{text}\ntest()\n", "/venv/site-packages/tool.py", "exec")
    assert chains(trail, watches_on(names), partial(exec, other, names)) == [[]]


def test_what_happens_within_inner_watches_is_not_that_of_the_outer_ones(trail: Trail) -> None:
    names = program(
        """
        def test():
            LOG.append(1)
            begin()
            LOG.append(2)
            end()
            nothing()
            LOG.append(3)
        """
    )
    inner: list[Watch] = []
    names |= {"watches_on": watches_on, "names": names, "inner": inner, "trail": trail}
    begin = "def begin():\n    inner.extend(watches_on(names))\n    trail.begin(inner)\n"
    exec(compile(begin, "/venv/site-packages/plugin.py", "exec"), names)
    names["end"] = partial(trail.end, inner)
    assert chains(trail, watches_on(names), names["test"]) == [["cart.py:3 in test"]]
    assert [str(origin) for origin in inner[1].chain or ()] == ["cart.py:5 in test"]


def test_outer_watches_go_on_after_the_inner_ones(trail: Trail) -> None:
    names = program("def test():\n    begin()\n    LOG.append(2)\n    end()\n    LOG.append(3)\n")
    inner: list[Watch] = []
    names["begin"], names["end"] = partial(trail.begin, inner), partial(trail.end, inner)
    assert chains(trail, watches_on(names), names["test"]) == [["cart.py:5 in test"]]


def test_the_lines_that_ran_are_known(trail: Trail) -> None:
    names = program("def test():\n    if LOG:\n        nothing()\n    else:\n        LOG.append(1)\n")
    assert chains(trail, [], names["test"]) == []
    ran = [line for line in range(1, 6) if trail.ran(Origin("cart.py", line, ""))]
    assert ran == [2, 3]


def test_no_frame_is_kept(trail: Trail) -> None:
    names = program(
        "class Big: pass\ndef test():\n    big = Big()\n    LOG.append(1)\n    seen.append(weakref.ref(big))\n"
    )
    names["weakref"], names["seen"] = weakref, []
    assert chains(trail, watches_on(names), names["test"]) != []
    assert names["seen"][0]() is None


def test_a_chain_ends_somewhere(trail: Trail) -> None:
    names = program("def test(depth=400):\n    test(depth - 1) if depth else LOG.append(1)\n")
    (chain,) = chains(trail, watches_on(names), names["test"])
    assert 100 <= len(chain) <= 300
