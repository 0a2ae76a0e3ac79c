"""The list of what a process may be left with: each item is seen, once and under one rule, in a run of pytest.

The list is CPython's own of its test suite (``libregrtest/save_env.py``), pytest-hygiene's, and this plugin's table.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from pytest_stateless.detectors import DETECTORS
from pytest_stateless.interpreter.table import ITEMS
from tests.interpreter.test_leftovers import HEAD, LEFTOVERS

if TYPE_CHECKING:
    from tests.conftest import Project

STATE: Final = "interpreter-state"
Row = tuple[str, str, str]
"""What is told, how it is left, and how it is put back."""


def put(path: str, new: str = "print") -> Row:
    """Sets a name of a module, and sets it back."""
    return f"{STATE} {path}", f"old = {path}; {path} = {new}", f"{path} = old"


def entry(path: str, key: str, new: str = "noted") -> Row:
    """Puts an entry in, and takes it out again."""
    return f"{STATE} {path}[{key}]", f"{path}[{key}] = {new}", f"del {path}[{key}]"


def state(subject: str, leave: str, undo: str) -> Row:
    return f"{STATE} {subject}", leave, undo


NAMES: Final = (
    *(put(f"sys.{name}", "io.StringIO()") for name in ("stdin", "stdout", "stderr")),
    *(put(f"sys.__{name}__", "io.StringIO()") for name in ("stdin", "stdout", "stderr")),
    *(put(f"sys.{name}") for name in ("__excepthook__", "unraisablehook", "breakpointhook")),
    put("sys.dont_write_bytecode", "not old"),
    put("sys.pycache_prefix", "'/stateless'"),
    state("sys.tracebacklimit", "sys.tracebacklimit = 5", "del sys.tracebacklimit"),
    state(
        "logging._levelToName[30]", "logging.addLevelName(30, 'mine')", "logging.addLevelName(30, 'WARNING')"
    ),
    put("logging._logRecordFactory"),
    put("logging.raiseExceptions", "False"),
    put("logging.lastResort", "None"),
    state("logging._warnings_showwarning", "logging.captureWarnings(True)", "logging.captureWarnings(False)"),
    *(put(f"warnings.{name}") for name in ("formatwarning", "_showwarnmsg_impl")),
    put("warnings.defaultaction", "'error'"),
    put("ssl._create_default_https_context"),
    state("gettext._current_domain", "gettext.textdomain('mine')", "gettext.textdomain('messages')"),
    put("builtins.__import__", "lambda *a, **k: old(*a, **k)"),
)
SYSTEM: Final = (
    state("nice value", "os.nice(1)", "os.setpriority(os.PRIO_PROCESS, 0, 0)"),
    state(
        "native signal handler SIGSYS",
        "ctypes.CDLL(None).signal(31, ctypes.c_void_p(1))",
        "ctypes.CDLL(None).signal(31, ctypes.c_void_p(0))",
    ),
    state("signal.set_wakeup_fd()", "old = signal.set_wakeup_fd(WAKE)", "signal.set_wakeup_fd(old)"),
)
PYTHON: Final = (
    state("sys.path_hooks", "sys.path_hooks.append(noted)", "sys.path_hooks.remove(noted)"),
    entry("sys.path_importer_cache", "'/stateless'"),
    state(
        "zipimport cache['mine.zip']",
        "zipimport.zipimporter('mine.zip')",
        "zipimport._zip_directory_cache.clear()",
    ),
    state("sys.warnoptions", "sys.warnoptions.append('mine')", "sys.warnoptions.remove('mine')"),
    state("threading.setprofile()", "threading.setprofile(noted)", "threading.setprofile(None)"),
    state("sys.setprofile()", "sys.setprofile(noted)", "sys.setprofile(None)"),
    *(
        [state("sys.settrace()", "old = sys.gettrace(); sys.settrace(noted)", "sys.settrace(old)")]
        if sys.gettrace() is None  # coverage holds on to its place
        else []
    ),
    state("sys.set_asyncgen_hooks()", "sys.set_asyncgen_hooks(noted)", "sys.set_asyncgen_hooks(None)"),
    state(
        "limit of digits",
        "old = sys.get_int_max_str_digits(); sys.set_int_max_str_digits(9999)",
        "sys.set_int_max_str_digits(old)",
    ),
    state(
        "flags of dlopen",
        "old = sys.getdlopenflags(); sys.setdlopenflags(old ^ os.RTLD_GLOBAL)",
        "sys.setdlopenflags(old)",
    ),
    state("stack size of threads", "old = threading.stack_size(1 << 20)", "threading.stack_size(old)"),
    state("gc.set_debug()", "gc.set_debug(gc.DEBUG_UNCOLLECTABLE)", "gc.set_debug(0)"),
    state("faulthandler", "faulthandler.disable()", "faulthandler.enable(sys.__stderr__.fileno())"),
    state(
        "sys.set_coroutine_origin_tracking_depth()",
        "sys.set_coroutine_origin_tracking_depth(3)",
        "sys.set_coroutine_origin_tracking_depth(0)",
    ),
    *(
        [state("sys.set_lazy_imports()", "sys.set_lazy_imports('all')", "sys.set_lazy_imports('normal')")]
        if sys.version_info >= (3, 15)
        else []
    ),
    state("tracemalloc", "tracemalloc.start()", "tracemalloc.stop()"),
    state("atexit", "atexit.register(noted)", "atexit.unregister(noted)"),
    *(
        [
            state(
                "sys.monitoring[4]", "sys.monitoring.use_tool_id(4, 'mine')", "sys.monitoring.free_tool_id(4)"
            )
        ]
        if sys.version_info >= (3, 12)
        else []
    ),
)
LIBRARY: Final = (
    state("csv.field_size_limit()", "old = csv.field_size_limit(9)", "csv.field_size_limit(old)"),
    entry("shutil._ARCHIVE_FORMATS", "'mine'", "(noted, [], '')"),
    entry("encodings.aliases.aliases", "'mine'", "'utf_8'"),
    state(
        "copyreg._extension_registry[('mine', 'Mine')]",
        "copyreg.add_extension('mine', 'Mine', 240)",
        "copyreg.remove_extension('mine', 'Mine', 240)",
    ),
    state(
        "sqlite3.adapters[(<type>, <type>)]",
        "sqlite3.register_adapter(Thing, noted)",
        "del sqlite3.adapters[Thing, sqlite3.PrepareProtocol]",
    ),
    entry("sqlite3.converters", "'MINE'"),
    entry("xml.etree.ElementTree._namespace_map", "'urn:mine'", "'mine'"),
    entry("sysconfig._INSTALL_SCHEMES", "'mine'", "{}"),
    *(
        [
            state(
                "asyncio.set_child_watcher()",
                "old = WATCHED._watcher; WATCHED._watcher = noted",
                "WATCHED._watcher = old",
            ),
        ]
        if sys.version_info < (3, 14)
        else []
    ),
    state(
        "asyncio.set_event_loop_policy()",
        "old = events._event_loop_policy; events._event_loop_policy = Policy()",
        "events._event_loop_policy = old",
    ),
    *([entry("asyncore.socket_map", "99")] if sys.version_info < (3, 12) else []),
)
OTHERS: Final = (
    (
        "module-state sysconfig._CONFIG_VARS['mine']",
        "sysconfig._CONFIG_VARS['mine'] = 1",
        "del sysconfig._CONFIG_VARS['mine']",
    ),
    (
        "module-state urllib.request._url_tempfiles",
        "urllib.request._url_tempfiles.append('x')",
        "urllib.request._url_tempfiles.clear()",
    ),
    (
        "child-process sleep *",
        "left = subprocess.Popen(['sleep', '5'])",
        "left.kill(); left.wait()",
    ),
    ("file-write left.txt", "open('left.txt', 'w').close()", "os.unlink('left.txt')"),
)
FLAGS: Final = put(
    "sys.flags",
    "types.SimpleNamespace(**{n: getattr(old, n) for n in dir(old) if n[0] != '_'})",
)
ROWS: Final = (
    *NAMES,
    *SYSTEM,
    *PYTHON,
    *LIBRARY,
    *OTHERS,
    FLAGS,
)  # Python itself writes to its own kind of flags
BEGIN: Final = """
import builtins, ctypes, encodings.aliases, subprocess, faulthandler, gettext, io, sqlite3, ssl, sysconfig
import tracemalloc, types, xml.etree.ElementTree
import zipfile, zipimport
from asyncio import events
try: import asyncore
except ImportError: pass
zipfile.ZipFile("mine.zip", "w").close()
sysconfig.get_config_vars()
class Thing: pass
class Policy: pass
_, WAKE = os.pipe()
os.set_blocking(WAKE, False)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    WATCHED = asyncio.get_event_loop_policy()
ENDS = []
def noted(*arguments): return None
"""


def test_each_is_told_once_and_what_is_put_back_is_not(project: Project) -> None:
    """One run for all of them: each begins with what those before it left."""
    twins = "".join(f"def test_{n}_restores():\n    {row[1]}\n    {row[2]}\n" for n, row in enumerate(ROWS))
    project.write("test_clean.py", HEAD + BEGIN + twins)
    for number, (_, leave, _undo) in enumerate(ROWS):
        tests = f"def test_leaves():\n    {leave}\ndef test_beside():\n    pass\n"
        project.write(f"test_leaving_{number:02}.py", HEAD + BEGIN + tests)
    run = (
        "--stateless",
        "--stateless-no-blame",
        "--stateless-report=json:leaks.json",
        "-p",
        "no:randomly",
        "-s",
    )
    project.run_apart(*run)
    found = {
        test["nodeid"]: [f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]]
        for test in project.report()["tests"]
    }
    assert found == {
        f"test_leaving_{number:02}.py::test_leaves": [told] for number, (told, *_) in enumerate(ROWS)
    }


ELSEWHERE: Final = {
    "user and group": "only root can change them, and not back",
    "processor affinity": "a machine of one processor has no other",
    "terminal": "test_a_terminal_that_no_longer_echoes_is_told",
    "clock": "tests/interpreter/test_tools.py, with the real tools",
    "numpy.random": "tests/interpreter/test_tools.py, with the real numpy",
    "asyncore.socket_map": "until Python 3.11",
    "asyncio.set_child_watcher()": "until Python 3.13",
    "sys.set_lazy_imports()": "from Python 3.15 on",
    "os.register_at_fork()": "nothing takes it out again: test_what_runs_around_forks_is_told",
    "sys.monitoring": "from Python 3.12 on",
    "sys.settrace()": "where no tracer measures the tests",
}


def test_each_line_of_the_table_is_left_once() -> None:
    told = [subject for subject, *_ in LEFTOVERS] + [subject.partition(" ")[2] for subject, *_ in ROWS]
    missing = {item.name for item in ITEMS if not any(one.startswith(item.name) for one in told)}
    assert missing <= ELSEWHERE.keys()


SAVE_ENV: Final = {
    "sys.argv": "sys.argv",
    "cwd": "working directory",
    "sys.stdin": "sys.stdin",
    "sys.stdout": "sys.stdout",
    "sys.stderr": "sys.stderr",
    "os.environ": "os.environ",
    "sys.path": "sys.path",
    "sys.path_hooks": "sys.path_hooks",
    "__import__": "builtins",
    "warnings.filters": "warnings.filters",
    "asyncore.socket_map": "asyncore.socket_map",
    "logging._handlers": "logging",
    "logging._handlerList": "logging",
    "sys.gettrace": "sys.settrace()",
    "sys.warnoptions": "sys.warnoptions",
    "multiprocessing.process._dangling": "child-process",
    "threading._dangling": "thread",
    "sysconfig._CONFIG_VARS": "module-state",
    "sysconfig._INSTALL_SCHEMES": "sysconfig._INSTALL_SCHEMES",
    "files": "file-write",
    "locale": "locale",
    "warnings.showwarning": "warnings.showwarning",
    "shutil_archive_formats": "shutil._ARCHIVE_FORMATS",
    "shutil_unpack_formats": "shutil._UNPACK_FORMATS",
    "asyncio.events._event_loop_policy": "asyncio.set_event_loop_policy()",
    "urllib.requests._url_tempfiles": "module-state",
    "urllib.requests._opener": "urllib.request.install_opener()",
    "stty_echo": "terminal",
}
"""The items of CPython's own list, and what tells them here: a line of the table, or a rule."""
HYGIENE: Final = {
    "cwd": "working directory",
    "env": "os.environ",
    "logging_state": "logging",
    "random_state": "random",
    "sysmodules": "sys.modules",
    "syspath": "sys.path",
    "threads": "thread",
    "warnings_filters": "warnings.filters",
}
"""The same of pytest-hygiene 0.1."""


def test_all_that_cpython_saves_is_told() -> None:
    saved = pytest.importorskip("test.libregrtest.save_env").saved_test_environment.resources
    assert set(saved) <= SAVE_ENV.keys()


@pytest.mark.parametrize("told", sorted({*SAVE_ENV.values(), *HYGIENE.values()}))
def test_what_others_look_at_has_a_line_or_a_rule(told: str) -> None:
    assert told in {item.name for item in ITEMS} | {detector.RULE.id for detector in DETECTORS}


TYPES: Final = """
import termios
def quiet(on):
    mode = termios.tcgetattr(0)
    mode[3] = mode[3] & ~termios.ECHO if on else mode[3] | termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, mode)
def test_restores():
    quiet(True)
    quiet(False)
def test_leaves(): quiet(True)
def test_after(): pass
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_a_terminal_that_no_longer_echoes_is_told(project: Project) -> None:
    project.write("test_a.py", TYPES)
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-m", "pytest", "--stateless", "--stateless-report=json:leaks.json", "-s"]
        subprocess.run(command, stdin=theirs, capture_output=True, timeout=120, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    (test,) = project.report()["tests"]
    assert test["nodeid"] == "test_a.py::test_leaves"
    (leak,) = test["leaks"]
    assert leak["subject"] == "terminal of stdin"
    assert leak["origin"]["function"] == "quiet"


def test_looking_keeps_the_stack_size_of_threads(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import threading
        threading.stack_size(1 << 20)
        def test_a(): pass
        def test_b():
            size = threading.stack_size()
            threading.stack_size(size)
            assert size == 1 << 20
        """,
    )
    project.run_apart("--stateless").assert_outcomes(passed=2)
