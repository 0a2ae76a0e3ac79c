"""What modules of the standard library keep for the process: registries, defaults, and what test tools replaced."""

from __future__ import annotations

import gc
import os
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from pytest_stateless.heap.graph import Kind, class_namespace, module_name_of, module_namespace, plan_of
from pytest_stateless.heap.spell import spell_key
from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Item,
    Items,
    Place,
    Reading,
    attribute,
    entries,
    loaded,
    place_of,
    put_attribute,
    put_entry,
)

_PROCESS: Final = "the other processes don't have it"
_START: Final = "register it where the process starts"
_FIXTURE: Final = "put it back, best by a fixture (monkeypatch.setattr)"


def _registry(module: str, name: str, why: str = _PROCESS) -> Item:
    """A dictionary in which anybody registers something."""
    return Item(
        f"{module}.{name}",
        entries(module, name),
        why,
        _START,
        by_import=True,
        put=put_entry(module, name),
        places=place_of(module, name, inside=True),
    )


def _default(
    module: str,
    name: str,
    why: str,
    missing: Any = UNKNOWN,
    is_first_use: Callable[[Any, Any], bool] | None = None,
) -> Item:
    """An attribute of a module that all later calls go by."""
    return Item(
        f"{module}.{name}",
        attribute(module, name, missing),
        why,
        _FIXTURE,
        is_first_use=is_first_use,
        put=put_attribute(module, name),
        places=place_of(module, name),
    )


def _c_function(module: str, name: str, default: Any, *args: Any) -> Callable[[], Reading]:
    """Reads by a function of a C module, where that is loaded."""

    def read() -> Reading:
        function = (loaded(module) or {}).get(name)
        return {WHOLE: default if type(function) is not types.BuiltinFunctionType else function(*args)}

    return read


def _put_timeout(_: object, new: Any) -> None:
    function: Any = (loaded("_socket") or {}).get("setdefaulttimeout")
    if function is not None:
        function(new)


# --------------------------------------------------------------------------------------------------- first use


def _own(thing: Any) -> dict[str, Any]:
    """The attributes of an instance, past its class."""
    plan = plan_of(type(thing))
    return plan.namespace(thing) if plan.kind is Kind.OBJECT and plan.namespace is not None else {}


def _is_from(thing: object, module: str) -> bool:
    return module_name_of(type(thing)).partition(".")[0] == module


def _is_default_policy(before: Any, after: Any) -> bool:
    return before is None and _is_from(after, "asyncio")


def _is_default_opener(before: Any, after: Any) -> bool:
    """``urlopen`` makes an opener of the library's own parts."""
    parts = _own(after).get("handlers")
    return before is None and type(parts) is list and all(_is_from(part, "urllib") for part in parts)


def _was_none(before: Any, after: Any) -> bool:
    return before is None


def _watcher() -> Reading:
    """The child watcher of asyncio's policy, until 3.13."""
    return {WHOLE: _own(_policy()).get("_watcher")}


def _policy() -> Any:
    return (loaded("asyncio.events") or {}).get("_event_loop_policy")


def _place_of_watcher(_: object) -> Iterator[Place]:
    yield _policy(), "_watcher"


def _start_method() -> Reading:
    """Its name, also where it is the one that would be taken."""
    default = (loaded("multiprocessing.context") or {}).get("_default_context")
    own = _own(default)
    chosen = own.get("_actual_context") or own.get("_default_context")
    name = class_namespace(type(chosen)).get("_name") if chosen is not None else None
    return {WHOLE: name if type(name) is str else UNKNOWN}


def _put_start_method(_: object, new: Any) -> None:
    contexts = loaded("multiprocessing.context") or {}
    _own(contexts.get("_default_context"))["_actual_context"] = contexts["_concrete_contexts"][new]


def _place_of_start_method(_: object) -> Iterator[Place]:
    yield (loaded("multiprocessing.context") or {}).get("_default_context"), "_actual_context"


def _types() -> Reading | None:
    """The types of files, once somebody used them: they are read from the system's tables then."""
    if (loaded("mimetypes") or {}).get("inited") is not True:
        return {}
    return {
        (kind, suffix): name
        for kind, table in zip(("common", "strict"), _maps(_database()), strict=False)
        for suffix, name in list(table.items())
        if type(suffix) is str
    }


def _database() -> Any:
    return (loaded("mimetypes") or {}).get("_db")


def _maps(database: Any) -> tuple[dict[Any, Any], ...]:
    maps = _own(database).get("types_map")
    return tuple(table for table in maps if type(table) is dict) if type(maps) is tuple else ()


def _place_of_type(label: tuple[str, str]) -> Iterator[Place]:
    for table in _maps(_database()):
        yield table, label[1]


class _Fresh:
    """The types of files as the first use of them finds them."""

    types: Any = None


def _type_at_first(label: tuple[str, str], _: Reading) -> Any:
    if _Fresh.types is None:
        own: Any = loaded("mimetypes") or {}
        try:
            _Fresh.types = _maps(own["MimeTypes"](list(filter(os.path.isfile, own["knownfiles"]))))
        except (OSError, KeyError, TypeError, ValueError):  # a test has replaced what it needs
            return UNKNOWN
    return _Fresh.types[label[0] == "strict"].get(label[1], ABSENT)


# ------------------------------------------------------------------------------------------------------ codecs


class _Codecs:
    """The interpreter's own list of search functions and table of error handlers, found once."""

    searches: Any = None
    errors: Any = None
    looked = False


def _find_codecs() -> None:
    """No function shows them, but the garbage collector knows who refers to what is always in them."""
    _Codecs.looked = True
    search: Any = (loaded("encodings") or {}).get("search_function")
    errors: Any = (loaded("_codecs") or {}).get("lookup_error")
    if search is None or errors is None:
        return
    ignore = errors("ignore")
    for holder in gc.get_referrers(search, ignore):
        if type(holder) is list and holder and holder[0] is search:
            _Codecs.searches = holder
        elif type(holder) is dict and holder.get("ignore") is ignore and "surrogateescape" in holder:
            _Codecs.errors = holder


def _searches() -> Reading:
    if not _Codecs.looked:
        _find_codecs()
    return {WHOLE: UNKNOWN if _Codecs.searches is None else Items(_Codecs.searches)}


def _error_handlers() -> Reading | None:
    if not _Codecs.looked:
        _find_codecs()
    return None if _Codecs.errors is None else dict(_Codecs.errors)


# -------------------------------------------------------------------------------------------------- test tools


def _patches() -> Reading:
    """The patches of ``unittest.mock`` that were started, by what they replace."""
    active = _active_patches()
    return {_target(patch): patch for patch in active} if type(active) is list else {}


def _active_patches() -> Any:
    cls: Any = (loaded("unittest.mock") or {}).get("_patch")
    return class_namespace(cls).get("_active_patches") if type(cls) is type else None


def _target(patch: Any) -> str:
    own = _own(patch)
    target, name = own.get("target"), own.get("attribute")
    kind = plan_of(type(target)).kind
    if kind is Kind.MODULE:
        home = module_namespace(target).get("__name__")
    else:
        cls: Any = target if kind is Kind.CLASS else type(target)
        home = f"{module_name_of(cls)}.{type.__dict__['__name__'].__get__(cls)}"
    return f"{home}.{name}" if type(name) is str else f"{home}"


def _places_of_patch(label: str) -> Iterator[Place]:
    patch = _patches().get(label)
    own = _own(patch)
    target, name = own.get("target"), own.get("attribute")
    if target is not None:
        kind = plan_of(type(target)).kind
        if kind is Kind.MODULE:
            yield module_namespace(target), name
        elif kind is Kind.CLASS:
            yield class_namespace(target), name
        yield target, name
    yield patch, WHOLE
    yield _active_patches(), WHOLE


def _frozen() -> Reading:
    """The tools that still replace the clock."""
    factories = (loaded("freezegun.api") or {}).get("freeze_factories")
    stack = (loaded("time_machine") or {}).get("coordinates_stack")
    found = {"freezegun": factories, "time_machine": stack}
    return {name: "frozen" for name, things in found.items() if type(things) is list and things}


def _registrations() -> Reading:
    """How many classes were registered with abstract ones; which they are can't be seen cheaply."""
    function: Any = (loaded("_abc") or {}).get("get_cache_token")
    return {WHOLE: UNKNOWN if function is None else function()}


_NETWORK: Final = "later requests wait, or trust, otherwise"
_ASYNC: Final = "later event loops are made otherwise"

ITEMS: Final = (
    Item(
        "socket.setdefaulttimeout()",
        _c_function("_socket", "getdefaulttimeout", None),
        _NETWORK,
        "give each connection its timeout",
        show=str,
        put=_put_timeout,
    ),
    _default("urllib.request", "_opener", _NETWORK, None, _is_default_opener)._replace(
        name="urllib.request.install_opener()", mend="give the opener to who needs it"
    ),
    _default("ssl", "_create_default_https_context", _NETWORK),
    _default("asyncio.events", "_event_loop_policy", _ASYNC, None, _is_default_policy)._replace(
        name="asyncio.set_event_loop_policy()", mend="use asyncio.Runner(loop_factory=...)"
    ),
    Item(
        "asyncio.set_child_watcher()",
        _watcher,
        _ASYNC,
        "put it back",
        is_first_use=_is_default_policy,
        places=_place_of_watcher,
    ),
    Item(
        "multiprocessing.set_start_method()",
        _start_method,
        "later children begin otherwise",
        "use multiprocessing.get_context()",
        show=str,
        put=_put_start_method,
        places=_place_of_start_method,
    ),
    _default("tempfile", "tempdir", "temporary files go elsewhere from now on", None, _was_none),
    Item(
        "mimetypes",
        _types,
        _PROCESS,
        _START,
        otherwise=_type_at_first,
        spell=lambda name, label: f"{name}[{spell_key(label[1])}]",
        by_import=True,
        places=_place_of_type,
    ),
    _registry("shutil", "_ARCHIVE_FORMATS"),
    _registry("shutil", "_UNPACK_FORMATS"),
    _registry("copyreg", "dispatch_table"),
    _registry("copyreg", "_extension_registry"),
    _registry("sqlite3", "adapters"),
    _registry("sqlite3", "converters"),
    _registry("xml.etree.ElementTree", "_namespace_map"),
    _registry("sysconfig", "_INSTALL_SCHEMES"),
    _registry("asyncore", "socket_map"),
    _default("gettext", "_current_domain", "messages come from another catalogue"),
    _registry("_csv", "_dialects")._replace(
        name="csv dialect", spell=lambda name, label: f"{name} {spell_key(label)}"
    ),
    Item(
        "csv.field_size_limit()", _c_function("_csv", "field_size_limit", UNKNOWN), _PROCESS, _START, show=str
    ),
    Item("codecs.register()", _searches, _PROCESS, _START, by_import=True),
    Item(
        "codecs.register_error()",
        _error_handlers,
        _PROCESS,
        _START,
        by_import=True,
        spell=lambda name, label: f"{name} {spell_key(label)}",
    ),
    Item(
        "abc registrations",
        _registrations,
        "isinstance() answers otherwise from now on",
        "register it where the class is defined",
        warns=lambda _: True,
        tell=lambda before, after: f"{after - before} more",
        by_import=True,
    ),
    Item(
        "unittest.mock.patch",
        _patches,
        "what is replaced stays so for later tests",
        "stop it: self.addCleanup(patcher.stop), or patch in a with block",
        spell=lambda name, label: f"{name}({label!r})",
        places=_places_of_patch,
        of_tools=True,
    ),
    Item(
        "clock",
        _frozen,
        "time stands still for later tests",
        "stop it, or freeze in a with block",
        spell=lambda name, label: f"{name} of {label}",
        show=str,
        of_tools=True,
    ),
)
"""The lines of the table about the standard library."""
