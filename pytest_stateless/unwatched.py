"""What isn't watched, as data with reasons: packages of test tools, types, attributes, objects by their path."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import Final

from pytest_stateless.heap.graph import Kind, class_namespace, identity, module_namespace, plan_of

TOOL_PACKAGES: Final[dict[str, str]] = {
    "pytest_stateless": "this plugin",
    "_pytest": "pytest keeps its own state between tests",
    "pytest": "pytest keeps its own state between tests",
    "pluggy": "pytest's plugin system",
    "iniconfig": "pytest reads its settings with it",
    "xdist": "distributes the tests",
    "execnet": "xdist's channel to its workers",
    "coverage": "collects what ran",
    "hypothesis": "keeps its examples and its engine's state between examples",
    "pytest_asyncio": "keeps its event loops between tests",
    "pytest_randomly": "reseeds the random generators before each phase of a test",
    "pytest_rerunfailures": "counts its reruns",
    "pytest_cov": "drives coverage",
    "pytest_mock": "undone by its own fixture",
    "pytest_timeout": "sets alarms around tests",
    "pytest_sugar": "shows the progress",
    "pytest_html": "gathers results",
    "pytest_metadata": "gathers what the run knows of itself",
    "pytest_instafail": "shows failures",
    "pyfakefs": "swaps the file system while its fixture lives",
    "_hypothesis_pytestplugin": "hypothesis' plugin",
    "_hypothesis_globals": "hypothesis' plugin",
    "freezegun": "replaces the clock, and remembers which modules know it",
    "time_machine": "replaces the clock",
    "factory": "makes test data, and numbers it",
    "faker": "makes test data",
    "model_bakery": "makes test data",
    "mimesis": "makes test data",
    "moto": "stands in for a backing service, whose state is its own",
    "fakeredis": "stands in for a backing service, whose state is its own",
    "mongomock": "stands in for a backing service, whose state is its own",
    "pdb": "a debugger somebody asked for",
    "pydevd": "a debugger somebody asked for",
    "_pydevd_bundle": "a debugger somebody asked for",
}
"""Packages of test tools, whose modules, functions, classes and instances aren't watched."""

UNWATCHED_TYPES: Final[dict[str, str]] = {
    "_abc._abc_data": "the cache of isinstance checks against abstract classes",
    "_thread._localdummy": "the place of a thread's own values",
    "logging.PlaceHolder": "stands for a logger nobody made yet",
    "_asyncio.Task": "work in progress, not state",
    "_asyncio.Future": "work in progress, not state",
    "builtins.coroutine": "work in progress, not state; a task left over is a leak of its own kind",
    "anyio.abc.TestRunner": "runs asynchronous tests and fixtures",
    "uvloop.loop.Loop": "an event loop in C at work; what is left in it is a leak of its own kind",
    "_frozen_importlib._ModuleLock": "held while a module is imported",
    "_frozen_importlib.ModuleSpec": "how a module was found; the import system completes it later",
    "_frozen_importlib_external.FileFinder": "the import system's cache of directories",
    "_frozen_importlib_external.NamespacePath": "the import system's list of a package's directories",
    "_frozen_importlib_external._NamespacePath": "the import system's list of a package's directories",
    "importlib.metadata.FastPath": "the import system's cache of what is installed",
    "ast.AST": "a program's text, not its state",
    "_ast.AST": "a program's text, not its state",
    "pathlib.PurePath": "a value; it keeps its own spellings on first use",
    "yarl.URL": "a value; it keeps its own parts on first use",
    "pathlib._local.PurePath": "a value; it keeps its own spellings on first use",
    "sqlite3.Cache": "compiled statements, by their text, before 3.11",
    "sqlalchemy.util._collections.LRUCache": "compiled statements, by their structure: the same in every process",
    "django.db.backends.base.base.BaseDatabaseWrapper": "a connection to a database, which holds the state",
    "_cffi_backend.Lib": "the functions of a library in C, each looked up on first use",
    "_cffi_backend.FFI": "the types of a library in C, each parsed on first use",
    "gettext.NullTranslations": "a catalogue of messages, the same in every process",
    "multiprocessing.heap.Heap": "the books of an allocator; who keeps what it gave is seen",
    "pygments.token._TokenType": "a name; it makes the names below it on first use",
    "trio._core._thread_cache.ThreadCache": "threads that wait for work, and end by themselves",
    **dict.fromkeys(
        (
            *(
                "types.GenericAlias",
                "types.UnionType",
                "typing.Union",
            ),  # one type, since 3.14 by the last name
            *("typing._GenericAlias", "typing.ForwardRef", "typing.TypeAliasType"),
            *("typing.TypeVar", "typing.ParamSpec", "typing.TypeVarTuple"),
        ),
        "a type; it fills in what it knows on first use",
    ),
}
"""Types whose instances aren't watched."""

UNWATCHED_ATTRIBUTES: Final[dict[str, dict[str, str]]] = {
    "logging.Logger": {
        "_cache": "remembers what the level lets through",
        "parent": "follows from the names of the loggers that were made",
    },
    "psycopg.adapt.AdaptersMap": {
        "_own_dumpers": "whether a table of types was copied yet",
        "_own_dumpers_by_oid": "whether a table of types was copied yet",
        "_own_loaders": "whether a table of types was copied yet",
    },
    "asyncio.base_events.BaseEventLoop": {
        "_ready": "what is to run next; what is left in a loop is a leak of its own kind",
        "_scheduled": "what is to run later; what is left in a loop is a leak of its own kind",
        "_timer_cancelled_count": "how many of these were cancelled",
        "_asyncgens": "weak entries of generators",
        "_selector": "what it waits for; a connection left open is a leak of its own kind",
        "_transports": "weak entries of connections",
        **dict.fromkeys(
            (
                *("_internal_fds", "_ssock", "_csock", "_thread_id", "_stopping", "_current_handle"),
                *("_closed", "_executor_shutdown_called", "_asyncgens_shutdown_called", "_old_agen_hooks"),
            ),
            "whether it runs, and its pipe to itself; a loop that is left open is a leak of its own kind",
        ),
    },
    "asyncio.events.BaseDefaultEventLoopPolicy": {
        "_local": "the current loop of a thread; one that is left set is a leak of its own kind"
    },
    "asyncio.events._BaseDefaultEventLoopPolicy": {"_local": "the current loop of a thread, from 3.14"},
    "threading.Condition": {"_waiters": "the threads that wait for a moment"},
    "asyncio.queues.Queue": dict.fromkeys(("_getters", "_putters"), "the tasks that wait for a moment"),
    **{
        f"asyncio.locks.{name}": {"_waiters": "the tasks that wait for a moment"}
        for name in ("Lock", "Event", "Condition", "Semaphore")
    },
    "jinja2.environment.Environment": {"cache": "compiled templates, by their source"},
    "django.db.models.options.Options": {"_get_fields_cache": "which fields a model has, by the question"},
    "django.urls.resolvers.URLResolver": {
        "_reverse_dict": "the addresses, collected on first use for each language",
        "_namespace_dict": "the addresses, collected on first use for each language",
        "_app_dict": "the addresses, collected on first use for each language",
        "_callback_strs": "the addresses, collected on first use for each language",
    },
    "django.contrib.contenttypes.models.ContentTypeManager": {
        "_cache": "the rows of the models' own table, which only a migration changes"
    },
    "sqlalchemy.util.langhelpers.HasMemoized": {"_memoized_keys": "which attributes were computed"},
    "sqlalchemy.orm.mapper.Mapper": {
        "_memoized_values": "statements, by the kind of change: the same in every process",
        "_dependency_processors": "how related rows are written, set up with the mapper",
    },
    "sqlalchemy.orm.relationships.RelationshipProperty": {"_reverse_property": "set up with the mapper"},
    "sqlalchemy.sql.compiler.IdentifierPreparer": {"_strings": "names with quotes, by the name"},
    "sqlalchemy.sql.elements.BindParameter": {"unique": "set while a statement is put together"},
    "django.test.testcases.SimpleTestCase": {
        "client": "made anew before each test",
        "async_client": "made anew before each test",
        "atomics": "the transaction around a test",
        "_pre_setup_ran_eagerly": "whether a class was set up before its first test",
    },
}
"""Attributes of instances of a type that aren't watched."""

UNWATCHED_PATHS: Final[dict[str, str]] = {
    "sqlalchemy.event.registry._key_to_collection": "the listeners once more; what they listen to has them too",
    "sys.lazy_modules": "imports that were put off, from 3.15",
    "sys.path_importer_cache": "the import system's cache of directories",
    "sys._current_exceptions": "what is being handled right now",
    "linecache.cache": "lines of source, read for a traceback",
    "re._cache": "compiled patterns",
    "re._cache2": "compiled patterns",
    "encodings._cache": "codecs that were looked up",
    "encodings.aliases.aliases": "names of codecs",
    "importlib._bootstrap_external.NamespacePath._epoch": "counts how often the import system's caches were cleared",
    "importlib._bootstrap_external._NamespacePath._epoch": "counts how often the import system's caches were cleared",
    "zipimport._zip_directory_cache": "the import system's cache of archives",
    "logging._levelToName": "a line of the table, filled by the first use of a level in some libraries",
    "logging._nameToLevel": "filled by the first use of a level in some libraries",
    "logging._at_fork_reinit_lock_weakset": "weak entries of handlers",
    "logging._handlers": "weak entries of handlers",
    "logging._handlerList": "weak entries of handlers",
    "typing._overload_registry": "grows with imports",
    "typing._cleanups": "grows with imports",
    "typing._caches": "generic types that were asked for",
    "threading._active": "the threads that run; a thread left over is a leak of its own kind",
    "threading._limbo": "the threads that start",
    "threading._dangling": "weak entries of threads",
    "threading._shutdown_locks": "one for each thread that runs",
    "threading._shutdown_locks_lock": "guards the former",
    "threading._threading_atexits": "functions to run at exit, of executors that were made",
    "threading._counter": "numbers the threads",
    "subprocess._active": "children that nobody waited for; one left over is a leak of its own kind",
    "multiprocessing.process._children": "the children that run; one left over is a leak of its own kind",
    "asyncio.coroutines._iscoroutine_typecache": "types that are coroutines",
    "asyncio.tasks._scheduled_tasks": "weak entries of tasks",
    "asyncio.tasks._eager_tasks": "weak entries of tasks",
    "asyncio.tasks._current_tasks": "the task that runs",
    "asyncio.tasks._all_tasks": "weak entries of tasks",
    "abc.ABCMeta._abc_invalidation_counter": "counts registrations",
    "copyreg._slotnames": "names of slots, found on first use",
    "ctypes._pointer_type_cache": "pointer types that were asked for",
    "anyio.pytest_plugin._current_runner": "runs asynchronous tests and fixtures",
    "cython_runtime.cline_in_traceback": "whether tracebacks show lines of C, asked on first use",
    "struct._cache": "compiled formats",
    "fnmatch._cache": "compiled patterns",
    "xml.etree.ElementPath._cache": "compiled paths",
    "hashlib.__builtin_constructor_cache": "which function makes a hash, by its name",
    "ctypes._c_functype_cache": "types of functions that were asked for",
    "multiprocessing.sharedctypes.prop_cache": "properties of ctypes, made on first use",
    "filecmp._cache": "comparisons of files, by their size and time",
    "functools._singledispatch_cache": "dispatch by type, found on first use",
    "tokenize._compile": "compiled patterns",
    "inspect._filesbymodname": "where modules come from, found on first use",
    "inspect.modulesbyfile": "where modules come from, found on first use",
    "_strptime._regex_cache": "compiled formats of dates",
    "_strptime._TimeRE_cache": "compiled formats of dates",
    "glob._pattern_cache": "compiled patterns",
    "platform._uname_cache": "what the machine is, asked on first use",
    "platform._sys_version_cache": "what this Python is, by its own text",
    "platform._platform_cache": "what the machine is, asked on first use",
    "warnings.onceregistry": "warnings that were shown once",
    "atexit": "functions to run at exit",
    "posixpath._varprog": "compiled pattern",
    "posixpath._varprogb": "compiled pattern",
    "tempfile._name_sequence": "random names of temporary files",
    "urllib.parse._safe_quoters": "characters that need no quotes, by the question, before 3.11",
    "urllib.parse._parse_cache": "URLs that were taken apart, before 3.11",
    "uuid._node": "the address of the network card, asked on first use",
    "email._header_value_parser": "no state but generated classes",
    "unittest.signals._results": "weak entries of test results",
    "doctest.master": "the last run",
    "pydoc.pager": "how long texts are shown, found out on first use",
    "string._re": "loaded on first use",
    "weakref.finalize._registry": "what to do when objects die",
    "multiprocessing.util._finalizer_registry": "what to do when objects die",
    "jinja2.lexer._lexer_cache": "lexers, by the settings of their environment",
    "aiohttp.web_log.AccessLogger._FORMAT_CACHE": "compiled formats of lines in the log",
    "django.core.cache.caches._connections": "a thread's connections, made on first use; what caches hold is watched",
    "django.urls.base._urlconfs": "which URLs a request is matched with, set and cleared for each",
    "django.template.engines._engines": "template engines, made from the settings on first use",
    "django.utils.formats._format_cache": "how a language writes numbers and dates, read on first use",
    "asgiref.sync.SyncToAsync.threadlocal": "the event loop that runs, or ran last, in a thread",
    "asgiref.sync.SyncToAsync.deadlock_context": "whether a call waits for its thread right now",
    "django.core.mail.outbox": "the mail of a test; emptied before each",
    "rest_framework.settings.api_settings._cached_attrs": "names of settings that were read",
    "six.moves": "names of another Python, each looked up on first use",
    "six._MovedItems": "names of another Python, each looked up on first use",
    "psycopg._capabilities.capabilities._cache": "what the C library can do, asked once",
    "psycopg._conninfo_utils.get_param_def.<defaults>._cache": "what can be set, asked of the C library once",
    "babel.localedata._cache": "how a language writes dates and numbers, read from a file on first use",
    "fastapi.routing._endpoint_context_cache": "where endpoints are defined, for messages about errors",
}
"""Objects by the path that leads to them, nearly all of the standard library. They aren't watched, and may be
replaced. A dependency's are the last resort, where no type and no principle tells them from state."""


RANDOM_GENERATORS: Final = ("random._inst", "numpy.random.mtrand._rand")
"""The generators that everybody draws from: not watched where a test tool seeds them again and again."""


def unwatched_objects(more: Iterable[str] = ()) -> frozenset[int]:
    """Identities of what ``UNWATCHED_PATHS`` and further paths lead to in the modules that are loaded."""
    return frozenset(
        identity(found) for path in (*UNWATCHED_PATHS, *more) if (found := _at(path)) is not None
    )


def _at(path: str) -> object:
    """The object at a dotted path, without an import and without code of the program."""
    module_name, _, rest = path.rpartition(".")
    names = [rest]
    while module_name and module_name not in sys.modules:
        module_name, _, name = module_name.rpartition(".")
        names.insert(0, name)
    found: object = sys.modules.get(module_name)
    for name in names:
        kind = plan_of(type(found)).kind
        if kind is Kind.MODULE:
            found = module_namespace(found).get(name)
        elif kind is Kind.CLASS:
            found = class_namespace(found).get(name)  # type: ignore[arg-type]
        else:
            return None
    return found if found is not None and type(found) is not types.ModuleType else None
