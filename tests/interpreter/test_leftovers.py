"""Real leftovers of the interpreter in a project, each beside its well-behaved twin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

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
    (
        "sys.modules['driver_of_mine']",
        "sys.modules['driver_of_mine'] = mock.MagicMock()",
        "del sys.modules['driver_of_mine']",
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


def _found(project: Project, *arguments: str) -> dict[str, list[str]]:
    """What each test left, in a run of its own process."""
    project.run_apart("--stateless", "--stateless-no-blame", "--stateless-report=json:leaks.json", *arguments)
    return {
        test["nodeid"].partition("::")[2]: [f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]]
        for test in project.report()["tests"]
    }


def test_what_wider_fixtures_change_is_theirs(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import logging, os, signal, sys
        import pytest
        @pytest.fixture(scope="session")
        def server():
            os.environ["SERVER"] = "x"; os.umask(0o007); sys.path.append("/server")
            old = signal.signal(signal.SIGUSR1, print)
            logging.getLogger("server").setLevel(10)
            yield
            signal.signal(signal.SIGUSR1, old)
        def test_before(): pass
        def test_asks(server): os.environ["MINE"] = "x"; sys.path.append("/mine")
        def test_after(): pass
        """,
    )
    assert _found(project) == {
        "test_asks": ["interpreter-state os.environ['MINE']", "interpreter-state sys.path"]
    }


def test_what_function_fixtures_put_back_is_no_leak(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import logging, os, sys, warnings
        def test_a(monkeypatch, tmp_path, caplog, capsys, recwarn):
            monkeypatch.setenv("A", "1"); monkeypatch.chdir(tmp_path); monkeypatch.syspath_prepend("/x")
            monkeypatch.setattr(sys, "excepthook", print); monkeypatch.setattr(sys, "argv", ["a"])
            monkeypatch.delitem(sys.modules, "json", raising=False)
            caplog.set_level(10); caplog.set_level(10, "shop"); logging.warning("x"); print("x"); warnings.warn("x")
        def test_warns():
            warnings.simplefilter("always"); warnings.warn("x")
            with warnings.catch_warnings(): warnings.simplefilter("error")
        """,
    )
    assert _found(project) == {"test_warns": ["interpreter-state warnings.filters"]}


IMPORTED = {
    "library.py": """
        import abc, codecs, collections.abc, copyreg, logging, mimetypes, shutil, sys, warnings
        warnings.filterwarnings("ignore", "of a library")
        logging.getLogger("library").addHandler(logging.NullHandler())
        logging.getLogger("root_of_all").addHandler(logging.StreamHandler())
        class Mine: pass
        collections.abc.Sized.register(Mine)
        copyreg.pickle(Mine, print)
        codecs.register_error("library", print)
        sys.meta_path.append(type("Finder", (), {"find_spec": lambda *_: None})())
        sys.modules["library.made"] = type(sys)("library.made")
        sys.modules[__name__] = Mine()
        """,
}


def test_what_an_import_brings_is_no_leak(project: Project) -> None:
    for name, text in IMPORTED.items():
        project.write(name, text)
    project.write(
        "test_a.py",
        """
        import logging, warnings
        logging.getLogger("root_of_all")
        def test_imports(): import library
        def test_imports_and_more():
            import wave
            warnings.filterwarnings("ignore", "of mine")
        """,
    )
    found = _found(project, "--stateless-scope=application")
    assert found == {"test_imports_and_more": ["interpreter-state warnings.filters"]}


def test_libraries_set_themselves_up_on_first_use(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import asyncio, logging, mimetypes, multiprocessing, tempfile, urllib.request
        def test_a():
            mimetypes.guess_type("a.txt"); tempfile.gettempdir(); logging.getLogger("new").setLevel(10)
            asyncio.run(asyncio.sleep(0)); multiprocessing.get_context()
            urllib.request.urlopen("data:,x")
            with tempfile.TemporaryDirectory(): pass
        """,
    )
    assert _found(project) == {}


@pytest.mark.parametrize(
    "arguments", [("-s",), ("--capture=sys",), ("--log-level=DEBUG",), ("-p", "no:logging")]
)
def test_what_pytest_does_around_a_test_is_no_leak(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("test_a.py", "def test_a(): print(1)\ndef test_b(): print(1)\n")
    assert _found(project, *arguments) == {}


def test_requests_in_windows_of_their_own_are_told_apart(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import os
        def test_a(stateless):
            with stateless.request("GET /"): print(1)
            with stateless.request("GET /"): os.environ["A"] = "1"
        """,
    )
    assert _found(project) == {"test_a": ["interpreter-state os.environ['A']"]}


def test_generators_that_a_plugin_seeds_are_let_alone(project: Project) -> None:
    project.write("test_a.py", "import random\ndef test_a(): random.random()\ndef test_b(): random.seed(3)\n")
    assert _found(project, "-p", "randomly") == {}


def test_event_loops_of_a_plugin_are_no_leak(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import asyncio, pytest
        @pytest.mark.asyncio
        async def test_a(): await asyncio.sleep(0)
        def test_b(): pass
        """,
    )
    assert _found(project, "-p", "pytest_asyncio.plugin", "--asyncio-mode=strict") == {}


def test_each_worker_tells_its_own(project: Project) -> None:
    project.write(
        "test_a.py", "import os\n" + "".join(f"def test_{n}(): os.environ['A{n}'] = '1'\n" for n in range(4))
    )
    assert _found(project, "-p", "xdist.plugin", "-n", "2") == {
        f"test_{n}": [f"interpreter-state os.environ['A{n}']"] for n in range(4)
    }


def test_values_are_secret_unless_they_are_asked_for(project: Project) -> None:
    project.write("test_a.py", "import os\ndef test_a(): os.environ['TOKEN'] = 's3cret'\n")
    assert "s3cret" not in project.run_apart("--stateless").stdout.str()
    assert "s3cret" in project.run_apart("--stateless", "--stateless-show-values").stdout.str()
