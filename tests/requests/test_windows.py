"""Requests as windows: what each left behind, once, under its name."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_stateless.canaries import make_marker
from pytest_stateless.requests.windows import RequestWindows, ordinal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_stateless.detectors import Context
    from tests.requests.conftest import Served


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_requests_are_counted_in_words(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_each_request_is_told_of_what_it_left(served: Served) -> None:
    for name in ("bob", "eve"):
        with served.requests.request("POST /login"):
            served.add(name)
    assert served.found == [("bob", "POST /login (1st request)"), ("eve", "POST /login (2nd request)")]


def test_a_canary_is_no_part_of_a_name(served: Served) -> None:
    """Else it would be another one each time that the test runs."""
    with served.requests.request(f"GET /carts/{make_marker()}/tea"):
        served.add("bob")
    assert served.found == [("bob", "GET /carts/***/tea (1st request)")]


def test_a_request_that_raises_is_a_window_too(served: Served) -> None:
    with suppress(ZeroDivisionError), served.requests.request("GET /"):
        served.add("bob")
        raise ZeroDivisionError
    assert served.found == [("bob", "GET / (1st request)")]


def test_what_a_nested_request_left_the_outer_does_not_tell_again(served: Served) -> None:
    with served.requests.request("outer"):
        served.add("a")
        with served.requests.request("inner"):
            served.add("b")
        served.add("c")
    assert served.found == [
        ("b", "inner (2nd request)"),
        ("a", "outer (1st request)"),
        ("c", "outer (1st request)"),
    ]


def test_requests_that_overlap_are_one_window_under_all_names(served: Served) -> None:
    both_run = threading.Barrier(2)

    def serve(name: str) -> None:
        with served.requests.request(f"GET /{name}"):
            served.add(name)
            both_run.wait()

    threads = [threading.Thread(target=serve, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in served.found) == ["a", "b"]
    (together,) = {request for _, request in served.found}
    assert "GET /a" in together
    assert "GET /b" in together


def test_gathered_requests_lose_nothing_and_count_nothing_twice(served: Served) -> None:
    async def serve(number: int) -> None:
        with served.requests.request(f"GET /{number}"):
            await asyncio.sleep(0)
            served.add(f"{number:02}")
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(serve(number) for number in range(20)))

    asyncio.run(main())
    assert sorted(name for name, _ in served.found) == [f"{number:02}" for number in range(20)]
    (together,) = {request for _, request in served.found}
    assert together == " and ".join(f"GET /{number} ({ordinal(number + 1)} request)" for number in range(20))


def test_requests_that_overlap_within_another_are_nested_in_it(served: Served) -> None:
    async def serve(name: str) -> None:
        with served.requests.request(name):
            await asyncio.sleep(0)
            served.add(name)

    async def main() -> None:
        with served.requests.request("outer"):
            served.add("before")
            await asyncio.gather(serve("a"), serve("b"))
            served.add("then")

    asyncio.run(main())
    together = "a (2nd request) and b (3rd request)"
    outer = "outer (1st request)"
    assert served.found == [("a", together), ("b", together), ("before", outer), ("then", outer)]


def test_one_that_begins_as_another_still_runs_keeps_the_window_open(served: Served) -> None:
    requests = served.requests
    first = requests.begin("first")
    served.add("a")
    second = requests.begin("second")
    requests.end(first)
    third = requests.begin("third")
    served.add("b")
    requests.end(second)
    assert served.found == []
    requests.end(third)
    together = "first (1st request) and second (2nd request) and third (3rd request)"
    assert served.found == [("a", together), ("b", together)]
    with requests.request("fourth"):
        served.add("c")
    assert served.found[2:] == [("c", "fourth (4th request)")]


def test_many_threads_at_once_lose_nothing(served: Served) -> None:
    def serve(worker: int) -> None:
        for number in range(25):
            with served.requests.request(f"GET /{worker}/{number}"):
                served.add(f"{worker}/{number}")

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served.found) == len({name for name, _ in served.found}) == 200
    assert all(f"GET /{name} (" in request for name, request in served.found)


def test_a_request_that_begins_while_another_opens_its_window_joins_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, both_open, both_run = threading.Event(), threading.Event(), threading.Barrier(2)
    capture = served.names.capture

    def slow(context: Context) -> frozenset[str]:
        if opening.is_set():
            both_open.set()
        opening.set()
        both_open.wait(0.05)  # in vain, where one waits for the other
        return capture(context)

    def serve(name: str) -> None:
        with served.requests.request(name):
            both_run.wait()
            served.add(name)
            both_run.wait()

    monkeypatch.setattr(served.names, "capture", slow)
    threads = [threading.Thread(target=serve, args=(name,)) for name in "ab"]
    threads[0].start()
    opening.wait()
    threads[1].start()
    for thread in threads:
        thread.join()
    together = "a (1st request) and b (2nd request)"
    assert served.found == [("a", together), ("b", together)]


def test_a_request_that_outlives_the_one_around_it_keeps_that_open(served: Served) -> None:
    outer = served.requests.begin("outer")
    with served.requests.within(outer):
        inner = served.requests.begin("inner")
    served.requests.end(outer)
    served.add("late")
    assert served.found == []
    served.requests.end(inner)
    assert served.found == [("late", "inner (2nd request)")]


def test_a_request_that_is_never_ended_ends_with_the_test(served: Served) -> None:
    outer = served.requests.begin("outer")
    with served.requests.within(outer):
        inner = served.requests.begin("inner")
    served.add("bob")
    served.requests.finish()
    assert served.found == [("bob", "inner (2nd request)")]
    served.requests.end(inner)
    served.requests.end(outer)
    assert served.found == [("bob", "inner (2nd request)")]


class Opened:
    """Notes which windows might share a look."""

    def __init__(self) -> None:
        self.shares: list[bool] = []

    def open(self, *, shares: bool = False) -> None:
        self.shares.append(shares)

    def leave(self, window: object, tasks: Sequence[object], /) -> None: ...

    def close(self, window: object, /) -> None: ...

    def pass_on(self, window: object, /) -> None: ...


@pytest.mark.parametrize(
    ("sent", "known", "shares"),
    [
        pytest.param("a a", set(), [False, True], id="the-same-again"),
        pytest.param("a b a", set(), [False, False, True], id="another"),
        pytest.param("a", {"a"}, [True], id="known-before"),
        pytest.param("a a", None, [False, False], id="never"),
        pytest.param("a hand a", {"a", "hand"}, [True, False, False], id="by-hand"),
    ],
)
def test_a_look_is_shared_with_one_of_a_kind_that_came_before(
    sent: str, known: set[str] | None, shares: list[bool]
) -> None:
    opened = Opened()
    requests = RequestWindows(opened, lambda close, window, name: None, known=known)
    for name in sent.split():
        with requests.request(name, by_client=name != "hand"):
            pass
    assert opened.shares == shares
