"""A test with ``disk="deny"``: what is denied where, what is let through, and what is told of it."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CountedProject, Project

pytestmark = pytest.mark.own_memory

HEAD = """
import os, pathlib, shutil, socket, sqlite3, tempfile
from multiprocessing.shared_memory import SharedMemory
import pytest
pytestmark = pytest.mark.stateless(disk="deny")
HERE = pathlib.Path(__file__).parent
"""


SAID = (
    "this stateless test (disk='deny') must not write outside the temporary directories; "
    "write to tmp_path, or allow 'file-write:receipt.txt'"
)


def write_test(project: Project, text: str) -> None:
    project.write("test_shop.py", HEAD + textwrap.dedent(text))


def test_a_write_fails_on_the_spot_with_the_rule_the_path_and_the_mend(project: Project) -> None:
    write_test(
        project,
        """
        def save():
            (HERE / "receipt.txt").write_text("tea")  # the culprit
        def test_save(): save()
        """,
    )
    result = project.run("--stateless-report=json:leaks.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*# the culprit",
            f"E * PermissionError: [[]Errno 13] file-write: {SAID}: '*/receipt.txt'",
            "file-write  receipt.txt  denied: open for writing",
            "            by test_shop.py:9 in save",
        ]
    )
    assert "audit.py" not in result.stdout.str()
    assert not (project.path / "receipt.txt").exists()


def test_what_the_program_swallows_is_told(project: Project) -> None:
    write_test(
        project,
        """
        def test_save():
            try:
                (HERE / "receipt.txt").write_text("tea")
            except OSError:
                pass
        """,
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["file-write  receipt.txt  denied: open for writing"])
    assert not (project.path / "receipt.txt").exists()


@pytest.mark.parametrize(
    ("call", "subject", "doing"),
    [
        pytest.param("open(HERE / 'new', 'w')", "new", "open for writing", id="open"),
        pytest.param("open(HERE / 'old', 'a')", "old", "open for writing", id="append"),
        pytest.param("os.open('new', os.O_CREAT | os.O_WRONLY)", "new", "open for writing", id="os-open"),
        pytest.param("open(b'new', 'xb')", "new", "open for writing", id="bytes"),
        pytest.param("os.mkdir('new')", "new", "mkdir", id="mkdir"),
        pytest.param("os.makedirs('new/deep')", "new", "mkdir", id="makedirs"),
        pytest.param("os.remove('old')", "old", "remove", id="remove"),
        pytest.param("os.rmdir('empty')", "empty", "rmdir", id="rmdir"),
        pytest.param("shutil.rmtree('empty')", "empty", "rmdir", id="rmtree"),
        pytest.param("os.rename('old', 'new')", "old", "rename", id="rename"),
        pytest.param("os.rename('old', tempfile.mktemp())", "old", "rename", id="rename-away"),
        pytest.param("os.replace(tempfile.mkstemp()[1], 'old')", "old", "rename", id="rename-in"),
        pytest.param("os.link('old', 'new')", "new", "link", id="link"),
        pytest.param("os.symlink('old', 'new')", "new", "symlink", id="symlink"),
        pytest.param("os.truncate('old', 0)", "old", "truncate", id="truncate"),
        pytest.param("os.chmod('old', 0o600)", "old", "chmod", id="chmod"),
        pytest.param("os.utime('old')", "old", "utime", id="utime"),
        pytest.param("sqlite3.connect('new')", "new", "open for writing", id="sqlite"),
        pytest.param("os.mkfifo('new')", "new", "mknod", id="fifo"),
        pytest.param(
            "os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=os.open(HERE, os.O_RDONLY))",
            *("new", "open for writing"),
            id="dir-fd",
        ),
        pytest.param("open('link/new', 'w')", "empty/new", "open for writing", id="through-a-link"),
        pytest.param("socket.socket(socket.AF_UNIX).bind('new')", "new", "bind", id="unix-socket"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_each_way_to_write_is_denied(call: str, subject: str, doing: str, project: Project) -> None:
    write_test(
        project,
        f"""
        def test_a():
            with pytest.raises(PermissionError, match="file-write: "):
                {call}
        """,
    )
    project.write("old", "tea")
    (project.path / "empty").mkdir()
    (project.path / "link").symlink_to("empty")
    before = sorted(project.path.rglob("*"))
    result = project.run("-W", "ignore", "--stateless-allow=open-descriptor:*")
    result.stdout.fnmatch_lines([f"file-write  {subject}  denied: {doing}"])
    made = {path.name for path in set(project.path.rglob("*")) - set(before)}
    assert made <= {".pytest_cache", "__pycache__"} or "cache" in str(made)
    assert (project.path / "old").read_text() == "tea"
    assert not (project.path / "new").exists()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(tmp_path / 'a').write_text('tea')", id="tmp-path"),
        pytest.param("tempfile.NamedTemporaryFile().close()", id="tempfile"),
        pytest.param("(HERE / 'test_shop.py').read_text()", id="reading"),
        pytest.param("HERE.mkdir(exist_ok=True)", id="directory-that-is-there"),
        pytest.param("(HERE / 'missing').unlink(missing_ok=True)", id="removing-nothing"),
        pytest.param("shutil.rmtree(HERE / 'missing', ignore_errors=True)", id="removing-no-tree"),
        pytest.param(
            "with pytest.raises(FileNotFoundError): os.rename('missing', 'elsewhere')", id="renaming-nothing"
        ),
        pytest.param("with pytest.raises(FileExistsError): os.mkdir('.')", id="making-what-is-there"),
        pytest.param(
            "os.link(HERE / 'test_shop.py', tmp_path / 'a')", id="another-name-in-a-temporary-directory"
        ),
        pytest.param("import shop.views", id="import-of-what-is-not-compiled"),
        pytest.param(
            "os.close(os.open('a', os.O_CREAT | os.O_WRONLY, dir_fd=os.open(tmp_path, os.O_RDONLY)))",
            id="dir-fd-of-a-temporary-directory",
        ),
        pytest.param("sqlite3.connect(':memory:').close()", id="sqlite-in-memory"),
        pytest.param("open(os.devnull, 'w').close()", id="devnull"),
        pytest.param(
            "one = SharedMemory(create=True, size=9); one.buf[0] = 1; one.close(); one.unlink()",
            id="shared-memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux's /dev/shm"),
        ),
    ],
)
def test_what_leaves_nothing_behind_is_let_through(text: str, project: Project) -> None:
    write_test(project, f"def test_a(tmp_path):\n    {text}\n")
    project.write("shop/__init__.py", "")
    project.write("shop/views.py", "")
    project.run("--stateless-allow=open-descriptor:*").assert_outcomes(passed=1)


def test_what_is_allowed_is_let_through(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.mark.stateless(allow="file-write:receipt.txt")
        def test_marker(): (HERE / "receipt.txt").write_text("tea")
        def test_setting(): (HERE / "log.txt").write_text("tea")
        def test_neither(): (HERE / "cart.txt").write_text("tea")
        """,
    )
    project.run("--stateless-allow=file-write:log.*").assert_outcomes(passed=2, failed=1)
    assert (project.path / "receipt.txt").exists()
    assert (project.path / "log.txt").exists()
    assert not (project.path / "cart.txt").exists()


def test_what_a_wider_scoped_fixture_writes_is_written(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.fixture(scope="session")
        def assets():
            (HERE / "assets.css").write_text("a {}")
            yield HERE / "assets.css"
            (HERE / "assets.css").unlink()
        @pytest.fixture
        def own():
            (HERE / "own.txt").write_text("tea")
        def test_assets(assets): assert assets.read_text() == "a {}"
        def test_own(own): pass
        """,
    )
    project.run().assert_outcomes(passed=1, errors=1)
    assert not (project.path / "assets.css").exists()


def test_the_tests_that_follow_may_write(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pathlib, pytest
        @pytest.mark.stateless(disk="deny")
        def test_first(): pass
        def test_unmarked(): pathlib.Path("a").write_text("tea")
        @pytest.mark.stateless
        def test_real(): pathlib.Path("b").write_text("tea")
        @pytest.mark.stateless(False, disk="deny")
        def test_unchecked(): pathlib.Path("c").write_text("tea")
        """,
    )
    result = project.run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["file-write  b  created"])


def test_the_nearest_that_says_so_decides_about_the_disk(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pathlib, pytest
        pytestmark = pytest.mark.stateless(disk="deny")
        def write(): pathlib.Path("a").write_text("tea")
        def test_module(): write()
        @pytest.mark.stateless
        class TestShop:
            def test_class(self): write()
            @pytest.mark.stateless(disk="real", allow="file-write:a")
            def test_own(self): write()
        """,
    )
    result = project.run("--stateless-disk=real")
    result.assert_outcomes(passed=1, failed=2)
    assert result.stdout.str().count("denied: open") == 2


def test_the_second_run_of_a_test_is_denied_too(counted: CountedProject) -> None:
    counted.write_test(
        """
        @pytest.mark.stateless(disk="deny")
        def test_a(tmp_path):
            (tmp_path / "a").write_text("x")
            LEFT.append(1)
            try:
                open("receipt.txt", "w")
            except PermissionError:
                pass
        """
    )
    counted.run("--stateless-report=json:leaks.json").assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a", "receipt.txt": "test_a"}
    assert not (counted.path / "receipt.txt").exists()


def test_threads_and_forked_children_are_denied(project: Project) -> None:
    write_test(
        project,
        """
        import threading
        def attempt(name, denied):
            try:
                (HERE / name).write_text("tea")
            except PermissionError:
                denied.append(name)
        def test_thread():
            denied = []
            thread = threading.Thread(target=attempt, args=("a", denied))
            thread.start()
            thread.join()
            assert denied == ["a"]
        @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
        def test_fork():
            denied = []
            pid = os.fork()
            if not pid:
                attempt("b", denied)
                os._exit(7 if denied else 0)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        """,
    )
    found = project.found("-W", "ignore")
    assert found["test_shop.py::test_thread"] == ["file-write a"]
    assert not (project.path / "a").exists()
    assert not (project.path / "b").exists()


def test_every_kind_of_test_is_denied(project: Project) -> None:
    write_test(
        project,
        """
        import unittest
        class TestUnit(unittest.TestCase):
            def test_unit(self): open("a", "w")
        @pytest.mark.anyio
        async def test_async(): open("b", "w")
        @pytest.fixture
        def anyio_backend(): return "asyncio"
        @pytest.mark.parametrize("name", ["c", "d"])
        def test_each(name): open(name, "w")
        """,
    )
    result = project.run("-p", "anyio", "--stateless-report=json:leaks.json")
    result.assert_outcomes(failed=4)
    leaks = [leak for test in project.report()["tests"] for leak in test["leaks"]]
    assert sorted((leak["subject"], leak["message"]) for leak in leaks) == [
        (name, "denied: open for writing") for name in "abcd"
    ]
    assert not {path.name for path in project.path.iterdir()} & set("abcd")


@pytest.mark.slow
def test_workers_of_xdist_deny(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.mark.parametrize("name", ["a", "b", "c", "d"])
        def test_each(name): open(name, "w")
        """,
    )
    result = project.run_apart("-p", "xdist", "-n", "2")
    result.assert_outcomes(failed=4)
    assert not {path.name for path in project.path.iterdir()} & set("abcd")


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        pytest.param(
            "'denny'", "'denny' is no disk (did you mean 'deny'?); write real, fake or deny", id="misspelt"
        ),
        pytest.param("3", "3 is no disk; write real, fake or deny", id="number"),
        pytest.param("['deny']", "[[]'deny'] is no disk; write real, fake or deny", id="list"),
    ],
)
def test_another_disk_is_a_usage_error(disk: str, said: str, project: Project) -> None:
    project.write("test_shop.py", f"import pytest\n@pytest.mark.stateless(disk={disk})\ndef test_a(): pass\n")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: test_shop.py::test_a: disk= of the stateless marker: {said}"])


@pytest.mark.parametrize("how", ["marker", "option", "ini"])
def test_a_fake_disk_without_pyfakefs_is_a_usage_error(
    how: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyfakefs", None)
    argument = "disk='fake'" if how == "marker" else ""
    project.write("test_shop.py", f"import pytest\n@pytest.mark.stateless({argument})\ndef test_a(): pass\n")
    if how == "ini":
        project.write("pytest.ini", "[pytest]\nstateless_disk = fake\n")
    result = project.run(*["--stateless-disk=fake"] * (how == "option"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    place = {
        "marker": "test_shop.py::test_a: disk= of the stateless marker",
        "option": "--stateless-disk",
        "ini": "pytest.ini: stateless_disk",
    }[how]
    result.stderr.fnmatch_lines(
        [
            f"ERROR: {place}: the disk 'fake' needs pyfakefs; install it with: pip install 'pytest-stateless[[]fake]'"
        ]
    )
