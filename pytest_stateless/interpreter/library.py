"""What modules of the standard library keep for the process: defaults and registries."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from operator import is_
from typing import Any, Final

from pytest_stateless.heap.graph import class_namespace, module_name_of, mro_of, name_of, namespace_of
from pytest_stateless.interpreter.gate import Holder
from pytest_stateless.interpreter.item import (
    UNKNOWN,
    WHOLE,
    Gated,
    Item,
    Place,
    Reading,
    loaded,
    same,
)
from pytest_stateless.interpreter.kinds import (
    FIXTURE,
    Attribute,
    c_function,
    kept,
    place_of,
    registry,
    within,
)
from pytest_stateless.interpreter.system import variables


def _put_timeout(_: object, new: Any) -> None:
    function: Any = (loaded("_socket") or {}).get("setdefaulttimeout")
    if function is not None:
        function(new)


# --------------------------------------------------------------------------------------------------- first use


def _is_from(thing: object, module: str) -> bool:
    return module_name_of(type(thing)).partition(".")[0] == module


def _is_default_policy(before: Any, after: Any) -> bool:
    return before is None and _is_from(after, "asyncio")


def _is_default_opener(before: Any, after: Any) -> bool:
    """``urlopen`` makes an opener of the library's own parts, with nothing of the program's in them."""
    own = namespace_of(after)
    parts, headers = own.get("handlers"), own.get("addheaders")
    if before is not None or type(parts) is not list or type(headers) is not list:
        return False
    has_headers = len(headers) != 1 or not same(headers[0], ("User-agent", f"Python-urllib/{_VERSION}"))
    return not has_headers and all(map(_is_default_part, parts))


_VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_PARTS: Final = (
    "Proxy",
    "Unknown",
    "HTTP",
    "HTTPDefaultError",
    "HTTPRedirect",
    "FTP",
    "File",
    "Data",
    "HTTPS",
)


def _is_default_part(part: Any) -> bool:
    """Whether ``build_opener()`` makes it, and the environment says what it says of proxies."""
    names = [f"urllib.request.{name}Handler" for name in _PARTS]
    if f"{module_name_of(type(part))}.{name_of(type(part))}" not in (
        *names,
        "urllib.request.HTTPErrorProcessor",
    ):
        return False
    own = namespace_of(part)
    proxies, context = own.get("proxies", {}), own.get("_context")
    known = [value for value in variables().values() if type(value) is bytes]
    return (
        type(proxies) is dict
        and all(type(one) is str and os.fsencode(one) in known for one in proxies.values())
        and (context is None or _trusts_nobody_else(context))
    )


def _trusts_nobody_else(context: Any) -> bool:
    """Whether a context of TLS asks for certificates, as the default one does."""
    base = (loaded("_ssl") or {}).get("_SSLContext")
    if type(base) is not type or not any(cls is base for cls in mro_of(type(context))):
        return False
    asked: Any = class_namespace(base)
    return bool(asked["verify_mode"].__get__(context) and asked["check_hostname"].__get__(context))


def _is_found_anew(before: Any, after: Any) -> bool:
    """Whether the directory was found on its first use, or will be on the next one."""
    return before is None or after is None


def _watcher() -> Gated:
    """The child watcher of asyncio's policy, until 3.13; another policy, which is told as such, has its own."""
    policy = _policy()
    watcher = namespace_of(policy).get("_watcher")
    return Gated({} if policy is None else {id(policy): watcher}, (policy, watcher))


def _watcher_again(before: Reading) -> Reading:
    now = _watcher()
    return before if type(before) is Gated and all(map(is_, before.gate, now.gate)) else now


def _policy() -> Any:
    return (loaded("asyncio.events") or {}).get("_event_loop_policy")


def _holders_of_watcher() -> Iterator[Holder]:
    yield from Attribute("asyncio.events", "_event_loop_policy").holders()
    yield from within(_policy())


def _place_of_watcher(_: object) -> Iterator[Place]:
    yield _policy(), "_watcher"


def _start_method() -> Reading:
    """Its name, also where it is the one that would be taken."""
    default = (loaded("multiprocessing.context") or {}).get("_default_context")
    found = namespace_of(default)
    chosen = found.get("_actual_context") or found.get("_default_context")
    name = class_namespace(type(chosen)).get("_name") if chosen is not None else None
    return {WHOLE: name if type(name) is str else UNKNOWN}


def _put_start_method(_: object, new: Any) -> None:
    contexts = loaded("multiprocessing.context") or {}
    namespace_of(contexts.get("_default_context"))["_actual_context"] = contexts["_concrete_contexts"][new]


def _holders_of_start_method() -> Iterator[Holder]:
    held = Attribute("multiprocessing.context", "_default_context")
    yield from held.holders()
    yield from within(held.held() if held.held() is not UNKNOWN else None)


def _place_of_start_method(_: object) -> Iterator[Place]:
    yield (loaded("multiprocessing.context") or {}).get("_default_context"), "_actual_context"


def _registrations() -> Reading:
    """How many classes were registered with abstract ones; which they are can't be seen cheaply."""
    function: Any = (loaded("_abc") or {}).get("get_cache_token")
    return {WHOLE: UNKNOWN if function is None else function()}


def _places_of_extension(label: object) -> Iterator[Place]:
    """It is kept under its name and under its number."""
    yield from place_of("copyreg", "_extension_registry", inside=True)(label)
    yield from place_of("copyreg", "_inverted_registry", inside=True)(WHOLE)


REGISTRATIONS: Final = "abc registrations"
_NETWORK: Final = "later requests wait, or trust, otherwise"
_ASYNC: Final = "later event loops are made otherwise"

ITEMS: Final = (
    Item(
        "socket.setdefaulttimeout()",
        c_function("_socket", "getdefaulttimeout", None),
        _NETWORK,
        "give each connection its timeout",
        show=str,
        put=_put_timeout,
    ),
    kept(
        "urllib.request", "_opener", _NETWORK, "give the opener to who needs it", None, _is_default_opener
    )._replace(name="urllib.request.install_opener()"),
    kept("ssl", "_create_default_https_context", _NETWORK),
    kept(
        "asyncio.events",
        "_event_loop_policy",
        _ASYNC,
        "use asyncio.Runner(loop_factory=...)",
        None,
        _is_default_policy,
    )._replace(name="asyncio.set_event_loop_policy()"),
    Item(
        "asyncio.set_child_watcher()",
        _watcher,
        _ASYNC,
        "put it back",
        otherwise=lambda label, reading: UNKNOWN,
        spell=lambda name, label: name,
        is_first_use=_is_default_policy,
        places=_place_of_watcher,
        again=_watcher_again,
        holders=_holders_of_watcher,
    ),
    Item(
        "multiprocessing.set_start_method()",
        _start_method,
        "later children begin otherwise",
        "use multiprocessing.get_context()",
        show=str,
        put=_put_start_method,
        places=_place_of_start_method,
        holders=_holders_of_start_method,
    ),
    kept("tempfile", "tempdir", "temporary files go elsewhere from now on", FIXTURE, None, _is_found_anew),
    registry("shutil", "_ARCHIVE_FORMATS"),
    registry("shutil", "_UNPACK_FORMATS"),
    registry("copyreg", "dispatch_table"),
    registry("copyreg", "_extension_registry")._replace(places=_places_of_extension),
    registry("sqlite3", "adapters"),
    registry("sqlite3", "converters"),
    registry("xml.etree.ElementTree", "_namespace_map"),
    registry("sysconfig", "_INSTALL_SCHEMES"),
    registry("asyncore", "socket_map"),
    Item(
        REGISTRATIONS,
        _registrations,
        "isinstance() answers otherwise from now on",
        "register it where the class is defined",
        warns=lambda _: True,
        tell=lambda before, after: f"{after - before} more",
        by_import=True,
    ),
)
"""The lines of the table about the standard library."""
