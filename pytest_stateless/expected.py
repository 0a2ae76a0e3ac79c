"""The one place that ignores: known leftovers as data with reasons, and the user's own allowances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_stateless.allowance import Allowance, matches
from pytest_stateless.leak import Leak, Owner, Severity
from pytest_stateless.unwatched import UNWATCHED_ATTRIBUTES, UNWATCHED_PATHS


@dataclass(frozen=True)
class Expected:
    """A kind of leftover that is known and fine."""

    rule: str
    reason: str
    subject: str = "*"
    traits: frozenset[str] = frozenset()
    """All of them must be there; a trait with a leading ``!`` must not."""

    def covers(self, leak: Leak) -> bool:
        """Whether the leak is of this kind."""
        if leak.rule != self.rule or not matches(self.subject, leak.subject):
            return False
        return all(
            (trait[1:] not in leak.traits) if trait[0] == "!" else (trait in leak.traits)
            for trait in self.traits
        )


def _expect(rule: str, reason: str, *traits: str, subject: str = "*") -> Expected:
    return Expected(rule, reason, subject, frozenset(traits))


_MAY_HOLD_WHAT_IS_KEPT: Final = ("str", "bytes", "bytearray", "tuple", "list", "dict", "set", "frozenset")
"""Built-in types of what somebody keeps for the application, as in a cache."""

EXPECTED: Final[tuple[Expected, ...]] = (
    _expect(
        *("module-state", "a module was imported", "added", "value:builtins.module"), subject="sys.modules*"
    ),
    _expect("module-state", "a fixture gave an application", "by-a-fixture"),
    _expect(
        *("module-state", "a part of a module in C was imported", "added", "!value:of-the-application"),
        "!value:builtins.NoneType",
        subject="sys.modules[*",
    ),
    _expect(
        *("module-state", "an import sets the module on its package", "value:builtins.module", "added"),
        "attribute",
    ),
    _expect(
        *("module-state", "a library loads its parts by name", "value:builtins.module", "added"),
        "!owner:application",
    ),
    _expect(
        *("module-state", "a module was loaded anew", "changed", "value:_frozen_importlib.ModuleSpec"),
        subject="*.__spec__",
    ),
    _expect("module-state", "a module was loaded anew", "changed", subject="*.__loader__"),
    _expect(
        "module-state", "an import binds a module where it was None", "value:builtins.module", "was:None"
    ),
    _expect("module-state", "an import brings its classes and functions", "value:imported", "added"),
    *(
        _expect("module-state", "an alias that typing makes on first use", "added", subject=f"typing.{name}")
        for name in ("Pattern", "Match", "ContextManager", "AsyncContextManager")  # since 3.13
    ),
    _expect("module-state", "a lazy import was resolved", "was:builtins.lazy_import", "changed"),
    _expect(
        "module-state", "an entry of a weak container, which goes with what it speaks of", "weak", "!lasting"
    ),
    _expect("module-state", "an entry of a library's weak container", "weak", "kept-by-library"),
    _expect(
        "module-state",
        "what is held under a key of a library's weak container goes with the key",
        "kept-by-library",
        subject="*.data[<ReferenceType>]*",
    ),
    _expect(
        "module-state",
        "a lock was released, or is held for a moment by a thread at work",
        "lock",
        "!acquired",
    ),
    *(
        _expect("module-state", "a lock that a library works with", "lock", "kept-by-library", other)
        for other in ("!owner:application", "!by-this-thread")
    ),
    _expect(
        "module-state",
        "a library works in a context of its own",
        "in:_contextvars.Context",
        "kept-by-library",
    ),
    _expect("module-state", "a weak container's own book-keeping", "in-a-weak-container"),
    _expect(
        *("module-state", "a receiver that a library refers to weakly", "weak-inside", "!lasting-inside"),
        "!owner:application",
    ),
    _expect("module-state", "warnings that were shown once", subject="*.__warningregistry__*"),
    _expect(
        "module-state",
        "numbers drawn from a generator of a library; nobody can tell where it stood",
        "drawn",
        "!owner:application",
    ),
    _expect(
        "module-state",
        "a result without arguments is a constant that is made on first use",
        "cached",
        "constant",
    ),
    _expect("module-state", "a cache was emptied", "cached", "removed"),
    _expect("module-state", "a class fills in what it knows of itself on first use", "class-detail"),
    _expect("module-state", "pytest keeps the last exception for a debugger", subject="sys.last_*"),
    _expect("module-state", "a logger was made", "added", "value:logging.Logger", "attribute"),
    _expect(
        *("module-state", "a logger was made", "added", "value:logging.Logger"),
        subject="logging.*loggerDict*",
    ),
    _expect("module-state", "a place for a logger was made", "value:logging.PlaceHolder"),
    _expect(
        "module-state", "a placeholder became a logger", "value:logging.Logger", "was:logging.PlaceHolder"
    ),
    _expect("module-state", "a note of hypothesis on a test", subject="*._hypothesis_internal_*"),
    _expect(
        "module-state",
        "code that a library was told of; a program's text, not its state",
        "value:builtins.code",
        "added",
        "!owner:application",
    ),
    _expect("module-state", "a library set itself up on first use", "first-use", "!strange"),
    _expect(
        *(
            "module-state",
            "a library set itself up once for good; without it, the test passes and it stays away",
        ),
        *("only-once", "kept-by-library", "!removed", "!value:of-the-application"),
    ),
    _expect(
        *(
            "module-state",
            "a library's own function, called once, was taken out",
            "removed",
            "kept-by-library",
        ),
        *("was:builtins.function", "!was:of-the-application"),
    ),
    _expect(
        *("module-state", "a library remembers what it computed, in a private table of its module", "added"),
        *("remembered", "in-a-private-table", "kept-by-library", "!value:of-the-application", "!data"),
        "!strange",
    ),
    _expect(
        *("module-state", "a library filled a table of its own on first use", "only-first", "filled"),
        *("kept-by-library", "!value:of-the-application", "!data", "!strange"),
    ),
    _expect(
        *("module-state", "a library made an entry in a private table on first use", "only-first", "added"),
        *("in-a-private-table", "kept-by-library", "!value:of-the-application", "!data"),
        "!strange",
    ),
    _expect(
        *(
            "module-state",
            "a library's pool has its own object back",
            "put-back",
            "object-in-a-list",
            "added",
        ),
        *("kept-by-library", "!value:of-the-application", "!strange"),
    ),
    _expect(
        *("module-state", "a library took in once what its table said in short", "remembered", "parsed"),
        *("kept-by-library", "!value:of-the-application"),
    ),
    _expect(
        *("module-state", "a library made an object on first use, and keeps it", "only-first", "added"),
        *("attribute", "value-of-a-library", "kept-by-library", "!value:of-the-application", "!data"),
        "!strange",
    ),
    _expect(
        *("module-state", "a library's object became what it stood for, on first use", "only-first"),
        *("became", "kept-by-library"),
    ),
    _expect(
        *("module-state", "a library dropped what it was set up from, on first use", "only-first", "removed"),
        *("attribute", "private", "kept-by-library", "!was:of-the-application"),
    ),
    _expect("module-state", "what a library set up on first use was dropped", "dropped"),
    _expect(
        *("module-state", "a library set itself up with the first request of a kind", "not-again"),
        *(
            "!owner:application",
            "!removed",
            "!strange",
            *(f"!value:builtins.{name}" for name in _MAY_HOLD_WHAT_IS_KEPT),
        ),
    ),
    _expect("module-state", "computed on first use, and the same in every process", "lazy"),
    _expect("module-state", "a library made a place for what may come", "added", "empty", "owner:dependency"),
    *(
        _expect("module-state", "a library compiled a pattern", when, "value:pattern", "!owner:application")
        for when in ("added", "was:builtins.str", "was:pattern")
    ),
    _expect(
        "module-state", "a library let a compiled pattern go", "removed", "was:pattern", "!owner:application"
    ),
    _expect(
        *("module-state", "a library's cache made room for other entries", "makes-room", "removed"),
        *("in-a-private-table", "kept-by-library", "!was:of-the-application"),
    ),
    _expect("module-state", "a library noted when it was used last", "clock", "changed"),
    _expect(
        *(
            "module-state",
            "a library fills a table of its own with objects of its own",
            "in-a-librarys-table",
        ),
        "!strange",
    ),
    _expect(
        *("module-state", "a library found a constant of its own", "constant-of-its-own", "kept-by-library"),
        "!value:builtins.str",
    ),
    _expect("module-state", "a library noted facts of its own words", "facts", "kept-by-library"),
    _expect("module-state", "it went with what it spoke of", "gone", "added", "kept-by-library"),
    _expect("module-state", "a library's module took in a name of Python's", "imported-late"),
    _expect("module-state", "a library's table makes what it is asked for", "made-by-its-table", "!strange"),
    _expect("module-state", "a library notes something of a module", "by-a-module", "kept-by-library"),
    _expect("module-state", "a library notes of a class what its definition says", "by-a-class"),
    _expect(
        *("module-state", "a library cleared away what it had for this thread", "removed"),
        *("of-this-thread", "kept-by-library"),
    ),
    _expect(
        "module-state",
        "a library took an object of its own out of its set",
        "taken-out",
        "in-a-private-table",
    ),
    _expect("module-state", "a library numbers what it makes, for its names", "number"),
    _expect("module-state", "a client of a backing service keeps account of its connections", "of-a-client"),
    _expect(
        "module-state",
        "another thread does the work; one left over is a leak of its own kind",
        "was:threading.Thread",
        "value:threading.Thread",
    ),
    _expect(
        "module-state",
        "pydantic remembers how a field is set",
        "added",
        subject="*.__pydantic_setattr_handlers__[*]",
    ),
    _expect("module-state", "an instance says itself what its class says anyway", "as-inherited"),
    _expect("module-state", "an attribute of a class that holds nothing was declared", "declared"),
    _expect("module-state", "the same items, in a tuple for a list or the other way round", "same-items"),
    *(
        _expect(
            *("module-state", "numbers definitions in their order", "changed", "value:builtins.int"),
            *("was:builtins.int", "!owner:application"),
            subject=f"*{name}",
        )
        for name in (".cls_counter", "creation_counter", "._creation_index")
    ),
    _expect(
        *(
            "module-state",
            "exec and eval give their names the built-in ones",
            "added",
            "value:built-in-names",
        ),
    ),
    _expect(
        *("module-state", "a combination of flags that was asked for", "added", "value:enum.Flag"),
        subject="*._value2member_map_*",
    ),
    *(
        _expect(
            *("module-state", "a warning that pytest takes down", "added", f"value:{module}.WarningMessage"),
            subject="warnings.*",
        )
        for module in ("warnings", "_py_warnings")  # the latter since 3.14
    ),
    _expect(
        *("module-state", "a catalogue of messages was read", "value:gettext.NullTranslations"),
        "!owner:application",
    ),
    *(
        _expect("module-state", reason, f"of:{cls}", subject=f"*.{name}")
        for cls, names in UNWATCHED_ATTRIBUTES.items()
        for name, reason in names.items()
    ),
    _expect(
        *("module-state", "a place for the values of a thread or task was made anew", "changed"),
        *("was:asgiref.local.Local", "value:asgiref.local.Local"),
    ),
    _expect(
        *(
            "module-state",
            "the values of a task, made anew with each of them",
            "value:asgiref.local._Storage",
        ),
        "!owner:application",
    ),
    _expect(
        *(
            "module-state",
            "Django notes of a task that it collects addresses",
            "value:asgiref.local._Storage",
        ),
        subject="*._local._storage._data",
    ),
    *(
        _expect("module-state", reason, f"in:{cls}", "!owner:application")
        for cls, reason in (
            ("builtins.generator", "a library's generator began, or ended"),
            ("itertools.count", "a library numbers what it makes"),
        )
    ),
    _expect(
        *("module-state", "HEAD is answered as GET is, from the first request on", "added"),
        "value:builtins.str",
        subject="*.actions['head']",
    ),
    _expect(
        *("module-state", "Django names the database that a project without one has, on first use", "added"),
        "value:builtins.dict",
        subject="*.DATABASES['default']",
    ),
    _expect(
        "module-state",
        "Django's test client takes receivers off and puts them back",
        "changed",
        subject="django.core.signals.request_*.receivers[*]",
    ),
    _expect(
        *("module-state", "the largest and smallest number of a type, computed on first use", "added"),
        "value:builtins.int",
        subject="numpy*.iinfo._m*_vals[*",
    ),
    _expect(
        *("module-state", "the seed that numpy's generator was made with; its numbers are told elsewhere"),
        "was:numpy.random.bit_generator.SeedSequence",
        subject="numpy*<MT19937>",
    ),
    _expect(
        *(
            "module-state",
            "SQLAlchemy finds a way to load a relation on the first use of each option",
            "added",
        ),
        "value:sqlalchemy.orm.interfaces.LoaderStrategy",
        subject="*._strategies[*",
    ),
    _expect(
        *("module-state", "singledispatch remembers the function for each type that it met"),
        subject="*._clear_cache.__self__.data[<ReferenceType>]",
    ),
    _expect(
        *("module-state", "freezegun puts back a function that Python lost in 3.8", "added"),
        "value:builtins.NoneType",
        subject="time.clock",
    ),
    _expect(
        *("module-state", "made anew with the limit of digits, from 3.14 on; both are told elsewhere"),
        "changed",
        subject="sys.flags",
    ),
    _expect("module-state", "pytest tells here which test runs", subject="*[b'PYTEST_CURRENT_TEST']"),
    _expect(
        "module-state", "pyfakefs keeps the real function for tracebacks", "added", subject="linecache.open"
    ),
    _expect(
        *(
            "module-state",
            "pyfakefs puts the real function back, wrapped anew",
            "value:builtins.staticmethod",
        ),
        subject="glob._StringGlobber.*",
    ),
    _expect("module-state", "put in by a test tool", "value:of-a-tool"),
    _expect("module-state", "taken out by a test tool", "was:of-a-tool", "!added"),
    *(
        _expect(
            "module-state", "the table of types, read on first use", "changed", subject=f"mimetypes.{name}"
        )
        for name in ("types_map", "suffix_map", "encodings_map", "common_types")
    ),
    _expect("file-write", "pytest's own cache", subject="*.pytest_cache*"),
    _expect("file-write", "compiled modules", subject="*__pycache__*"),
    _expect("file-write", "compiled modules", "by-import"),
    _expect("file-write", "hypothesis' examples", subject=".hypothesis*"),
    _expect("file-write", "coverage's data", subject=".coverage*"),
    _expect("file-write", "coverage's data", subject="*/.coverage*"),
    _expect("file-write", "written by a test tool", "by-tool"),
    _expect("file-write", "shared memory that is made is a leak of its own kind", "memory-made"),
    _expect("file-write", "shared memory that was left before is cleared away", "memory-removed"),
    _expect("listening-socket", "opened by a test tool", "by-tool"),
    _expect("listening-socket", "of multiprocessing's fork server, which ends with this process", "servant"),
    _expect("file-lock", "held by a test tool", "by-tool"),
    _expect("file-lock", "a database's own, which lets others read and write", "native", "shared"),
    _expect("shared-memory", "made by a test tool", "by-tool"),
    _expect("unexpected-port", "no port was declared, so that none is unexpected", "nothing-declared"),
    _expect("unexpected-port", "one of the declared ports", "declared"),
    _expect(
        *(
            "unexpected-port",
            "nobody can declare a number that the system chooses, and it is this machine's own",
        ),
        *("chosen", "loopback"),
    ),
    _expect("unexpected-port", "opened by a test tool", "by-tool"),
    _expect("open-descriptor", "opened by a test tool", "by-tool"),
    _expect(
        *("open-descriptor", "a library keeps what it opened on first use; a further one like it is told"),
        *("owner:dependency", "first"),
    ),
    _expect(
        *("open-descriptor", "a library keeps its connections to a backing service in a pool"),
        *("connection", "!owner:application"),
    ),
    _expect("open-descriptor", "the traceback of a failed test holds what held it", "held", "test-failed"),
    _expect("open-descriptor", "it goes with the client, whom the open server waits for", "accepted"),
    _expect("open-descriptor", "of a child that runs, which is a leak of its own kind", "running-child"),
    *(
        _expect(
            *("open-descriptor", "of a loop in C, or kept by it for the process; its poller is told"),
            *("native", "loop-in-C"),
            subject=subject,
        )
        for subject in ("pipe", "device /dev/null (read)", "eventfd", "io_uring")
    ),
    _expect(
        *("open-descriptor", "the thread that runs a loop in C is a leak of its own kind"),
        *("native", "loop-in-C", "loop-elsewhere"),
    ),
    _expect("open-descriptor", "of multiprocessing's own servants, one for each process", "multiprocessing"),
    _expect("open-descriptor", "multiprocessing keeps room for values; who keeps one is seen", "arena"),
    _expect(
        *("open-descriptor", "a library in C keeps what its threads wait with", "native", "waits", "first"),
    ),
    _expect(
        *("open-descriptor", "a library in C keeps a file of its own that it reads", "native", "first"),
        *("read-only", "outside"),
    ),
    _expect("interpreter-state", "put in by a test tool", "value:of-a-tool"),
    _expect("interpreter-state", "taken out by a test tool", "was:of-a-tool", "!added"),
    _expect("interpreter-state", "goes with what it speaks of weakly", "removed", "was:weakref.ProxyType"),
    _expect(
        *("interpreter-state", "exec and eval give their names the built-in ones", "added"),
        subject="builtins.__builtins__",
    ),
    *(
        _expect(
            *("interpreter-state", "GNU readline tells children the size of the terminal"),
            subject=f"environment past os.environ['{name}']",
        )
        for name in ("LINES", "COLUMNS")
    ),
    _expect("interpreter-state", "set up on first use, the same in every process", "first-use"),
    _expect("interpreter-state", "pytest tells here which test runs", subject="*['PYTEST_CURRENT_TEST']"),
    _expect(
        "interpreter-state", "a library keeps quiet until it is told otherwise", "value:logging.NullHandler"
    ),
    _expect("child-process", "started by a test tool", "by-tool"),
    _expect("child-process", "serves multiprocessing, and ends with this process", "servant"),
    _expect("thread", "started by a test tool", "by-tool"),
    _expect("thread", "a worker of a library's own pool waits for work", "idle", "owner:dependency"),
    _expect(
        "thread",
        "an event loop's own pool; a loop left open is a leak of its own kind",
        "idle",
        "default-pool",
    ),
    _expect(
        "thread",
        "a pool of a module or fixture, there since before, whose workers start on first use",
        "idle",
        "lasting-pool",
    ),
    _expect("thread", "a native library's worker waits for work", "idle", "native"),
    _expect("thread", "a thread that was there before started its own successor", "renewed"),
    _expect("async-task", "made by a test tool", "by-tool"),
    _expect("async-task", "the thread that runs it is a leak of its own kind", "elsewhere"),
    _expect("async-task", "the traceback of a failed test holds what held it", "test-failed"),
    _expect("async-task", "a library's own timer, which keeps its house", "callback", "!owner:application"),
    _expect("async-task", "the loop closes a generator that was dropped", subject="async_generator_athrow"),
    _expect("async-task", "a task of a library's waits for work", "idle", "owner:dependency"),
    _expect(
        *("async-task", "a library keeps a loop of its own, made on first use; a further one is told"),
        *("owner:dependency", "first"),
        subject="event loop",
    ),
    _expect("retained-secret", "written by a test tool", "by-tool"),
    *(
        _expect(rule, "a test client keeps what it sends and gets, as a browser does", "of-a-test-client")
        for rule in ("module-state", "retained-secret")
    ),
    _expect("retained-secret", "pytest keeps the last exception for a debugger", subject="sys.last_*"),
    _expect("retained-secret", "a mock keeps what it was called with, for the test", "of-a-mock"),
    *(
        _expect("module-state", reason, subject=f"{path}{more}")
        for path, reason in UNWATCHED_PATHS.items()
        for more in ("", "[*", ".*")
    ),
)


LIKELY: Final[tuple[Expected, ...]] = (
    _expect(
        *("module-state", "a library remembers what it computed; only a reader can say of what", "added"),
        *("remembered", "in-a-private-table", "kept-by-library", "!value:of-the-application"),
    ),
    _expect(
        *(
            "module-state",
            "a library filled a table of its own on first use; only a reader can say with what",
        ),
        *("only-first", "filled", "kept-by-library", "!value:of-the-application"),
    ),
    _expect(
        *(
            "module-state",
            "a library made an object with texts on first use; only a reader can say whose they are",
            "added",
        ),
        *("only-first", "attribute", "value-of-a-library", "kept-by-library", "!value:of-the-application"),
    ),
    _expect(
        *("module-state", "a library made an object anew, once; only a reader can say for whom", "made-anew"),
        *("only-first", "kept-by-library"),
    ),
    _expect(
        *("module-state", "a library put its own words in a table; only a reader can say for whom", "added"),
        *("constant-of-its-own", "kept-by-library"),
    ),
    _expect(
        *("module-state", "a library remembers what says but yes and no; only a reader can say of what"),
        *("added", "remembered", "of-switches", "kept-by-library"),
    ),
    *(
        _expect(
            *("module-state", "a library notes yes or no in private; only a reader can say of what", "added"),
            *("in-a-private-table", "kept-by-library", value),
        )
        for value in ("value:builtins.bool", "value:builtins.NoneType", "nothing-in-it")
    ),
    _expect("module-state", "a library counts something; only a reader can say what", "counted"),
    *(
        _expect("module-state", "a library keeps what it may have been given for a user", "strange", way)
        for way in ("first-use", "in-a-librarys-table", "made-by-its-table", "not-again")
    ),
)
"""Leftovers that are nearly always fine, and may hold what is a user's: warnings."""


def softened(leak: Leak) -> Leak:
    """The leak, as a warning where it is likely to be fine."""
    known = any(one.covers(leak) for one in LIKELY)
    return replace(leak, severity=Severity.WARNING) if known else leak


def is_expected(leak: Leak) -> bool:
    """Whether a known leftover covers the leak."""
    return any(known.covers(leak) for known in EXPECTED)


def is_kept_by_the_application(leak: Leak) -> bool:
    """Whether it is state of the application in the application's own hands, rather than a library's."""
    return (
        leak.rule in ("module-state", "retained-secret")
        and leak.owner is Owner.APPLICATION
        and "kept-by-library" not in leak.traits
    )


def judge(leaks: Iterable[Leak], allowances: Sequence[Allowance]) -> tuple[list[Leak], list[Allowance]]:
    """The leaks that neither expectation nor allowance covers, and the allowances that covered one."""
    left, used = [], []
    for leak in leaks:
        if is_expected(leak):
            continue
        covering = [allowance for allowance in allowances if allowance.covers(leak)]
        used += covering
        if not covering:
            left.append(softened(leak))
    return left, used
