"""What lines of the table say where what they read is missing, of another kind, or another thread's."""

from __future__ import annotations

import asyncio
import copyreg
import ctypes
import decimal
import importlib.machinery
import os
import random
import sys
import threading
import types
import unittest.mock
import weakref
import zipfile
import zipimport
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.interpreter import c_environment, exits, importing, kernel, kinds, texts, wakeup
from pytest_stateless.interpreter.importing import _put_module
from pytest_stateless.interpreter.item import ABSENT, UNKNOWN, WHOLE, Item, Reading
from pytest_stateless.interpreter.table import ITEMS


def item(name: str) -> Item:
    return next(one for one in ITEMS if one.name == name)


def put(name: str, label: Any, value: Any) -> None:
    found = item(name).put
    assert found is not None
    found(label, value)


def places(name: str, label: Any) -> list[tuple[Any, Any]]:
    found = item(name).places
    assert found is not None
    return list(found(label))


def in_a_thread(function: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


# -------------------------------------------------------------------------------------------------- the system


def test_a_working_directory_that_was_deleted_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    gone = item("working directory").read()
    assert gone == {WHOLE: "a deleted directory"}
    put("working directory", WHOLE, "a deleted directory")
    assert item("working directory").read() == gone
    put("working directory", WHOLE, ABSENT)
    assert item("working directory").read() == gone


@pytest.mark.parametrize("value", [UNKNOWN, "a text"], ids=["unknown", "no-bytes"])
def test_a_variable_that_is_no_text_is_not_put(value: object) -> None:
    put("environment past os.environ", b"STATELESS_READ", value)
    assert c_environment.variables() is None or b"STATELESS_READ" not in (c_environment.variables() or {})


def test_a_mask_that_the_kernel_does_not_tell_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nSigIgn:\t0000000000001000\n")
    monkeypatch.setattr(kernel, "_STATUS", str(status))
    kernel.forget()
    try:
        assert kernel.status() == {"umask": -1, "ignored": 0x1000, "caught": -1}
        assert item("umask").read() == {WHOLE: UNKNOWN}
        status.unlink()
        kernel.forget()
        assert kernel.status() == {}
        assert item("umask").read() == {WHOLE: UNKNOWN}
    finally:
        kernel.forget()


@pytest.mark.parametrize("error", [OSError, TypeError, ValueError, AttributeError])
def test_where_the_c_library_cannot_be_asked_there_is_no_environment_of_its_own(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert c_environment._find() is None
    monkeypatch.setattr(c_environment, "_environ", None)
    assert c_environment.variables() is None


# ----------------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize(
    "name", ["decimal.getcontext()", "sys.set_asyncgen_hooks()", "sys.settrace()"], ids=lambda name: name
)
def test_what_each_thread_has_of_its_own_is_read_in_the_main_one_alone(name: str) -> None:
    assert item(name).read() is not None
    assert in_a_thread(item(name).read) is None


def test_while_a_loop_runs_its_hooks_are_not_told() -> None:
    async def read() -> Reading | None:
        return item("sys.set_asyncgen_hooks()").read()

    assert asyncio.run(read()) is None


def test_a_context_is_told_by_what_it_would_be_made_from_before_it_is_there() -> None:
    import contextvars

    decimal.getcontext()
    there = item("decimal.getcontext()").read()
    before = contextvars.Context().run(item("decimal.getcontext()").read)
    assert there == before
    assert "prec=28" in str(before)


def test_a_handler_is_put_in_the_main_thread_alone() -> None:
    import signal

    in_a_thread(lambda: put("signal", "SIGUSR1", signal.SIG_IGN))
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


# --------------------------------------------------------------------------------------------- what isn't loaded


def test_nothing_is_put_into_a_module_that_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    state = random.getstate()
    monkeypatch.delitem(sys.modules, "random")
    monkeypatch.delitem(sys.modules, "_socket")
    put("random", WHOLE, UNKNOWN)
    put("socket.setdefaulttimeout()", WHOLE, 1.0)
    monkeypatch.undo()
    assert random.getstate() == state
    import socket

    assert socket.getdefaulttimeout() is None


def test_finders_of_the_import_system_are_its_own_affair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        """The program's own."""

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("shop.py", "")
    own = Finder()
    cache: dict[Any, Any] = {
        "/a": importlib.machinery.FileFinder("/a"),
        "/a.zip": zipimport.zipimporter(str(tmp_path / "a.zip")),
        "/none": None,
        "/own": own,
        7: own,
    }
    monkeypatch.setattr(sys, "path_importer_cache", cache)
    assert item("sys.path_importer_cache").read() == {"/own": own}


def test_a_module_is_put_and_what_was_none_is_not() -> None:
    _put_module("stateless_shop", ABSENT)
    assert "stateless_shop" not in sys.modules


def test_a_name_and_an_entry_are_taken_away_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = types.ModuleType("stateless_shop")
    monkeypatch.setitem(sys.modules, "stateless_shop", shop)
    put_entry, put_attribute = (
        kinds.put_entry("stateless_shop", "carts"),
        kinds.put_attribute("stateless_shop", "carts"),
    )
    put_attribute(WHOLE, {"a": 1})
    put_entry("a", ABSENT)
    put_entry("b", 2)
    assert shop.__dict__["carts"] == {"b": 2}
    put_attribute(WHOLE, ABSENT)
    put_entry("c", 3)  # nothing is there to put it into
    assert "carts" not in shop.__dict__


def test_where_nobody_counts_callbacks_their_number_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type((item("atexit").read() or {})[WHOLE]) is int
    monkeypatch.setattr(exits, "_count", None)
    assert item("atexit").read() == {WHOLE: UNKNOWN}


def test_where_nothing_can_watch_no_tool_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "monitoring", raising=False)
    assert item("sys.monitoring").read() is None


def test_codecs_that_cannot_be_found_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("searches", "errors"):
        monkeypatch.setattr(texts._Codecs, name, None)
    monkeypatch.setattr(texts._Codecs, "looked", False)
    monkeypatch.delitem(sys.modules, "encodings")
    assert item("codecs.register_error()").read() is None
    assert item("codecs.register()").read() == {WHOLE: UNKNOWN}
    monkeypatch.undo()


def test_types_of_files_that_cannot_be_made_anew_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    import mimetypes

    monkeypatch.setattr(texts._Fresh, "maps", None)
    monkeypatch.setattr(mimetypes, "knownfiles", None)
    assert item("mimetypes").otherwise(".shop", {}) is UNKNOWN
    monkeypatch.undo()
    monkeypatch.setattr(texts._Fresh, "maps", None)
    assert item("mimetypes").otherwise(".shop", {}) is ABSENT


# ------------------------------------------------------------------------------------------------ where it is held


def test_an_extension_is_held_under_its_name_and_its_number() -> None:
    key = ("shop", "Cart")
    held = places("copyreg._extension_registry", key)
    for registry, label in (("_extension_registry", key), ("_inverted_registry", WHOLE)):
        assert any(holder is copyreg.__dict__[registry] and of is label for holder, of in held)


class Shop:
    """Something to be patched, by its class and by an instance."""

    price = 1


@pytest.mark.parametrize(
    ("target", "label"),
    [
        pytest.param(os, "os.price", id="module"),
        pytest.param(Shop, f"{__name__}.Shop.price", id="class"),
        pytest.param(Shop(), f"{__name__}.Shop.price", id="instance"),
    ],
)
def test_a_patch_is_told_by_what_it_replaces_and_held_there(target: Any, label: str) -> None:
    patch = unittest.mock.patch.object(target, "price", 2, create=True)
    patch.start()
    try:
        assert list(item("unittest.mock.patch").read() or {}) == [label]
        held = places("unittest.mock.patch", label)
    finally:
        patch.stop()
    assert any(holder is target and name == "price" for holder, name in held)
    in_a_namespace = [holder for holder, name in held if name == "price" and holder is not target]
    assert len(in_a_namespace) == (target is os or target is Shop)
    assert not any(holder is target for holder, _ in places("unittest.mock.patch", label))


def test_a_descriptor_for_signals_that_was_set_where_nobody_listened_is_another_state() -> None:
    first = wakeup.read()
    wakeup.swapped(-1, 7)
    assert wakeup.read() != first
    wakeup.swapped(7, -1)
    assert wakeup.read() == first
    wakeup.swapped(9, 8)  # who set 9?
    wakeup.swapped(8, -1)
    assert wakeup.read() != first


def test_a_module_that_no_loader_made_is_made_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    made = next(one for one in ITEMS if one.name == "sys.modules" and one.by_import)
    assert made.again is not None
    before = made.read()
    assert made.again(before) is before
    shop, thing = types.ModuleType("stateless_shop"), object()
    monkeypatch.setitem(sys.modules, "stateless_shop", shop)
    monkeypatch.setitem(sys.modules, "stateless_thing", thing)
    monkeypatch.setitem(sys.modules, "stateless_template", weakref.proxy(shop))
    after = made.again(before) or {}
    assert (after["stateless_shop"], after["stateless_thing"]) == (shop, thing)
    assert not {"sys", "json", "stateless_template"} & after.keys()


@pytest.mark.parametrize(
    ("loader", "by_hand"),
    [
        (importlib.machinery.ExtensionFileLoader, ["stateless_written", "stateless_thing"]),
        (importlib.machinery.SourceFileLoader, ["stateless_brought", "stateless_written", "stateless_thing"]),
    ],
    ids=["extension", "source"],
)
def test_what_an_extension_brings_without_a_spec_is_imported(
    loader: Any, by_hand: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = next(one for one in ITEMS if one.name == "sys.modules" and one.by_import)
    monkeypatch.setattr(importing._Made, "imported", set())
    names = ["stateless_brought", "stateless_compiled", "stateless_written", "stateless_thing"]
    brought, compiled, written = map(types.ModuleType, names[:3])
    compiled.__spec__ = importlib.machinery.ModuleSpec(names[1], loader(names[1], "compiled.so"))
    vars(brought)["Method"] = str
    vars(written)["act"] = lambda: None
    made.read()
    for name, module in zip(names, (brought, compiled, written, object()), strict=True):
        monkeypatch.setitem(sys.modules, name, module)
    for _ in range(2):
        assert [name for name in names if name in (made.read() or {})] == by_hand
