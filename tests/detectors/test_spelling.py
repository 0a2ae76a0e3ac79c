"""Names, functions and classes as they are spelled in subjects."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

import pytest

from pytest_stateless.detectors.spelling import code_place, spell_callable, spell_class, spell_frame, stable

HERE = __name__


class Shop:
    def sell(self) -> None:
        pass

    @classmethod
    def open(cls) -> None:
        pass

    def __call__(self) -> None:
        pass

    def __repr__(self) -> str:
        raise AssertionError("asked")


class Lying(type):
    __qualname__ = "No"

    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError("asked")


class Liar(metaclass=Lying):
    pass


@pytest.mark.parametrize(
    ("function", "spelled"),
    [
        pytest.param(threading.Event.wait, "threading.Event.wait", id="function"),
        pytest.param(Shop().sell, f"{HERE}.Shop.sell", id="method"),
        pytest.param(Shop.open, f"{HERE}.Shop.open", id="class-method"),
        pytest.param(functools.partial(functools.partial(Shop().sell)), f"{HERE}.Shop.sell", id="partial"),
        pytest.param(Shop(), f"{HERE}.Shop", id="callable-object"),
        pytest.param(Shop, f"{HERE}.Shop", id="class"),
        pytest.param(Liar, f"{HERE}.Liar", id="class-that-lies"),
        pytest.param(print, "print", id="built-in"),
        pytest.param([].append, "list.append", id="method-of-a-built-in"),
        pytest.param(None, "NoneType", id="none"),
    ],
)
def test_a_function_is_spelled_by_its_module_and_name(function: object, spelled: str) -> None:
    assert spell_callable(function) == spelled


def test_a_class_is_spelled_by_its_module_and_name() -> None:
    assert spell_class(Shop) == f"{HERE}.Shop"
    assert spell_class(int) == "int"


def test_a_frame_is_spelled_by_its_function() -> None:
    frame = sys._getframe()
    assert spell_frame(frame) == f"{HERE}.test_a_frame_is_spelled_by_its_function"
    assert code_place(frame.f_code) == f"{__file__}:{frame.f_code.co_firstlineno}"


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        pytest.param("reloader", "reloader", id="plain"),
        pytest.param("ThreadPoolExecutor-3_12", "ThreadPoolExecutor-*_*", id="numbers"),
        pytest.param("job 6f1c0d52-7d3e-4f2a-8d56-cafe00112233", "job *", id="uuid"),
        pytest.param("/tmp/pytest-of-bob/pytest-3/x", "<tmp>/x", id="temporary"),
        pytest.param("deadbeef", "deadbeef", id="letters-only"),
        pytest.param("x" * 300, "x" * 100, id="long"),
    ],
)
def test_names_are_the_same_on_every_run(name: str, spelled: str) -> None:
    assert stable(name) == spelled
