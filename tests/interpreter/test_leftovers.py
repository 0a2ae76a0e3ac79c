"""Real leftovers of the interpreter in a project, each beside its well-behaved twin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Project

HEAD = """
import asyncio, atexit, codecs, collections.abc, copyreg, csv, decimal, gc, locale, logging, mimetypes, multiprocessing
import os, random, shutil, signal, socket, sys, tempfile, threading, time, urllib.request, warnings
from unittest import mock
import pytest
"""

LEFTOVERS = [
    ("os.environ['STATELESS_A']", "os.environ['STATELESS_A'] = 'x'", "del os.environ['STATELESS_A']"),
    (
        "environment past os.environ['STATELESS_B']",
        "os.putenv('STATELESS_B', 'x')",
        "os.unsetenv('STATELESS_B')",
    ),
    ("working directory", "old = os.getcwd(); os.chdir('/')", "os.chdir(old)"),
    ("umask", "old = os.umask(0o01)", "os.umask(old)"),
    (
        "resource limit RLIMIT_CORE",
        "import resource; old = resource.getrlimit(4); resource.setrlimit(4, (4096 + (old[0] == 4096), old[1]))",
        "resource.setrlimit(4, old)",
    ),
    (
        "time zone",
        "old = os.environ.get('TZ'); os.environ['TZ'] = 'Asia/Tokyo'; time.tzset(); del os.environ['TZ']",
        "time.tzset()",
    ),
    (
        "locale LC_NUMERIC",
        "old = locale.setlocale(locale.LC_NUMERIC); locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
        "locale.setlocale(locale.LC_NUMERIC, old)",
    ),
    (
        "signal.SIGUSR1",
        "old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "signal.signal(signal.SIGUSR1, old)",
    ),
    ("timer ITIMER_REAL", "signal.alarm(1000)", "signal.alarm(0)"),
    (
        "signal mask",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])",
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])",
    ),
    ("sys.path", "sys.path.append('/stateless')", "sys.path.remove('/stateless')"),
    ("sys.path", "old = sys.path; sys.path = [*old, '/stateless']", "sys.path = old"),
    ("sys.meta_path", "finder = object(); sys.meta_path.append(finder)", "sys.meta_path.remove(finder)"),
    ("sys.argv", "sys.argv.append('x')", "sys.argv.pop()"),
    (
        "sys.modules['shop_of_mine']",
        "old = sys.modules['shop_of_mine']; sys.modules['shop_of_mine'] = object()",
        "sys.modules['shop_of_mine'] = old",
    ),
    ("sys.excepthook", "old = sys.excepthook; sys.excepthook = print", "sys.excepthook = old"),
    ("sys.displayhook", "old = sys.displayhook; sys.displayhook = print", "sys.displayhook = old"),
    (
        "threading.excepthook",
        "old = threading.excepthook; threading.excepthook = print",
        "threading.excepthook = old",
    ),
    ("threading.settrace()", "threading.settrace(print)", "threading.settrace(None)"),
    (
        "recursion limit",
        "old = sys.getrecursionlimit(); sys.setrecursionlimit(old + 1)",
        "sys.setrecursionlimit(old)",
    ),
    (
        "switch interval",
        "old = sys.getswitchinterval(); sys.setswitchinterval(0.1)",
        "sys.setswitchinterval(old)",
    ),
    ("gc.enable()", "gc.disable()", "gc.enable()"),
    (
        "gc.set_threshold()",
        "old = gc.get_threshold(); gc.set_threshold(5000, 11, 11)",
        "gc.set_threshold(*old)",
    ),
    ("gc.callbacks", "gc.callbacks.append(noted)", "gc.callbacks.remove(noted)"),
    *(
        [("atexit", "atexit.register(noted)", "atexit.unregister(noted)")]
        if sys.version_info >= (3, 14)
        else []
    ),
    ("builtins.shop_of_mine", "import builtins; builtins.shop_of_mine = 1", "del builtins.shop_of_mine"),
    (
        "logging.root.handlers",
        "handler = logging.Handler(); logging.root.addHandler(handler)",
        "logging.root.removeHandler(handler)",
    ),
    (
        "logging.getLogger('shop').level",
        "logging.getLogger('shop').setLevel(10)",
        "logging.getLogger('shop').setLevel(0)",
    ),
    (
        "logging.getLogger('shop').filters",
        "logging.getLogger('shop').addFilter(noted)",
        "logging.getLogger('shop').removeFilter(noted)",
    ),
    ("logging.disable()", "logging.disable(20)", "logging.disable(0)"),
    (
        "logging._loggerClass",
        "class Mine(logging.Logger): pass\n    old = logging.getLoggerClass(); logging.setLoggerClass(Mine)",
        "logging.setLoggerClass(old)",
    ),
    (
        "warnings.filters",
        "old = warnings.filters[:]; warnings.filterwarnings('ignore', 'mine')",
        "warnings.filters[:] = old",
    ),
    (
        "warnings.showwarning",
        "old = warnings.showwarning; warnings.showwarning = print",
        "warnings.showwarning = old",
    ),
    ("random", "old = random.getstate(); random.seed(7)", "random.setstate(old)"),
    ("random", "old = random.getstate(); random.random()", "random.setstate(old)"),
    ("decimal.getcontext()", "decimal.getcontext().prec = 7", "decimal.getcontext().prec = 28"),
    ("socket.setdefaulttimeout()", "socket.setdefaulttimeout(9)", "socket.setdefaulttimeout(None)"),
    (
        "urllib.request.install_opener()",
        "urllib.request.install_opener(object())",
        "urllib.request._opener = None",
    ),
    ("tempfile.tempdir", "old = tempfile.gettempdir(); tempfile.tempdir = '/'", "tempfile.tempdir = old"),
    (
        "mimetypes['.mine']",
        "mimetypes.add_type('a/b', '.mine')",
        "for m in mimetypes._db.types_map: m.pop('.mine', None)",
    ),
    (
        "shutil._UNPACK_FORMATS['mine']",
        "shutil.register_unpack_format('mine', ['.mine'], noted)",
        "shutil.unregister_unpack_format('mine')",
    ),
    ("copyreg.dispatch_table[<type>]", "copyreg.pickle(Thing, noted)", "del copyreg.dispatch_table[Thing]"),
    ("csv dialect 'mine'", "csv.register_dialect('mine')", "csv.unregister_dialect('mine')"),
    ("codecs.register_error() 'mine'", "codecs.register_error('mine', noted)", None),
    ("codecs.register()", "codecs.register(noted)", "codecs.unregister(noted)"),
    ("abc registrations", "collections.abc.Sized.register(type('T', (), {}))", None),
    (
        "unittest.mock.patch('shutil.which')",
        "patch = mock.patch('shutil.which'); patch.start()",
        "patch.stop()",
    ),
    (
        "multiprocessing.set_start_method()",
        "multiprocessing.set_start_method('fork' if START != 'fork' else 'spawn', force=True)",
        "multiprocessing.set_start_method(START, force=True)",
    ),
    ("os.environ", "old = os.environ; os.environ = {**old}", "os.environ = old"),
]
MORE = """
import types
sys.modules["shop_of_mine"] = types.ModuleType("shop_of_mine")
START = multiprocessing.get_start_method()
logging.getLogger("shop")
class Thing: pass
def noted(*arguments): return None
"""


def test_each_leftover_is_told_once_and_its_twin_is_not(project: Project) -> None:
    """One run for all of them: each begins with what those before it left."""
    twins = [
        f"def test_{number}_restores():\n    {leave}\n    {undo}\n"
        for number, (_, leave, undo) in enumerate(LEFTOVERS)
        if undo
    ]
    project.write("test_clean.py", HEAD + MORE + "".join(twins))
    for number, (_, leave, _undo) in enumerate(LEFTOVERS):
        project.write(
            f"test_leaving_{number:02}.py",
            HEAD + MORE + f"def test_leaves():\n    {leave}\ndef test_beside():\n    pass\n",
        )
    project.run_apart(
        "--stateless", "--stateless-no-blame", "--stateless-report=json:leaks.json", "-p", "no:randomly"
    )
    found = {
        test["nodeid"]: [f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]]
        for test in project.report()["tests"]
    }
    wanted = {
        f"test_leaving_{number:02}.py::test_leaves": [f"interpreter-state {subject}"]
        for number, (subject, *_) in enumerate(LEFTOVERS)
    }
    assert found == wanted
