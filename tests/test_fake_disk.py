"""A test with ``disk="fake"``: what stays in memory, what is told of it, and what is as it was afterwards."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CountedProject, Project

pytestmark = pytest.mark.own_memory

pytest.importorskip("pyfakefs")

HEAD = """
import os, pathlib, shutil, socket, sqlite3, subprocess, sys, tempfile
from os import remove as take_away
from pathlib import Path
import pytest
HERE = Path(__file__).parent
LEFT = []
"""


def write_test(project: Project, text: str, mark: str = 'pytest.mark.stateless(disk="fake")') -> None:
    """A test file, beside a little tree and a module that isn't imported yet."""
    project.write("test_shop.py", f"{HEAD}pytestmark = {mark}\n" + textwrap.dedent(text))
    project.write("old", "tea")
    project.write("tree/leaf", "tea")
    project.write(
        "late.py", "import os\nfrom os import remove\nfrom pathlib import Path\nOLD = Path('old')\n"
    )


def files(project: Project) -> list[str]:
    """What lies in the project, but for what pytest and Python write for themselves."""
    found = (path.relative_to(project.path).as_posix() for path in project.path.rglob("*"))
    return sorted(name for name in found if "cache" not in name and name != "leaks.json")


TREE = ["late.py", "old", "test_shop.py", "tree", "tree/leaf"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("(HERE / 'new').write_text('a')", {"new": "created"}, id="path-made-before"),
        pytest.param("Path('new').write_text('a')", {"new": "created"}, id="path-made-now"),
        pytest.param("open('new', 'w').close()", {"new": "created"}, id="open"),
        pytest.param("open(b'new', 'xb').close()", {"new": "created"}, id="bytes"),
        pytest.param("open('old', 'a').write('more')", {"old": "modified"}, id="append"),
        pytest.param("open('old', 'r+').write('pea')", {"old": "modified"}, id="as-many-bytes"),
        pytest.param("open('old', 'w').write('tea')", {}, id="the-same-content"),
        pytest.param("os.close(os.open('new', os.O_CREAT | os.O_WRONLY))", {"new": "created"}, id="os-open"),
        pytest.param("os.remove('old')", {"old": "deleted"}, id="remove"),
        pytest.param("take_away('old')", {"old": "deleted"}, id="function-imported-before"),
        pytest.param("Path('old').unlink()", {"old": "deleted"}, id="unlink"),
        pytest.param("shutil.rmtree('tree')", {"tree/leaf": "deleted"}, id="rmtree"),
        pytest.param("shutil.copy('old', 'new')", {"new": "created"}, id="copy"),
        pytest.param(
            "shutil.move('old', 'new')", {"new": "renamed from old", "old": "renamed to new"}, id="move"
        ),
        pytest.param(
            "Path('old').rename('new')", {"new": "renamed from old", "old": "renamed to new"}, id="rename"
        ),
        pytest.param("os.makedirs('new/deep')", {"new/deep": "created (directory)"}, id="makedirs"),
        pytest.param("Path('new').mkdir()", {"new": "created (directory)"}, id="mkdir"),
        pytest.param("os.chmod('old', 0o600)", {"old": "mode changed to 0600, was 0644"}, id="chmod"),
        pytest.param("Path('old').chmod(0o600)", {"old": "mode changed to 0600, was 0644"}, id="path-chmod"),
        pytest.param("os.utime('old')", {"old": "time of modification changed"}, id="utime"),
        pytest.param("Path('old').touch()", {"old": "time of modification changed"}, id="touch"),
        pytest.param("os.truncate('old', 0)", {"old": "truncated"}, id="truncate"),
        pytest.param("os.symlink('old', 'new')", {"new": "created (symbolic link)"}, id="symlink"),
        pytest.param("Path('new').symlink_to('old')", {"new": "created (symbolic link)"}, id="path-symlink"),
        pytest.param("os.link('old', 'new')", {"new": "created (hard link to old)"}, id="link"),
        pytest.param("import late; late.os.remove('old')", {"old": "deleted"}, id="module-imported-now"),
        pytest.param("import late; late.remove('old')", {"old": "deleted"}, id="function-imported-now"),
        pytest.param("import os as again; again.remove('old')", {"old": "deleted"}, id="os-imported-now"),
        pytest.param("tempfile.NamedTemporaryFile().close()", {}, id="temporary-file"),
        pytest.param("shutil.rmtree(tempfile.mkdtemp())", {}, id="temporary-directory"),
        pytest.param("open('new', 'w').close(); os.remove('new')", {}, id="put-back"),
        pytest.param("assert open('tree/leaf').read() == 'tea'", {}, id="reading"),
        pytest.param("assert os.getcwd() == str(HERE)", {}, id="working-directory"),
        pytest.param("assert subprocess.check_output(['echo', 'a']) == b'a\\n'", {}, id="child-with-a-pipe"),
        pytest.param("assert os.path.exists(sys.executable)", {}, id="the-rest-of-the-tree"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_write_stays_in_memory_and_is_told(line: str, told: dict[str, str], project: Project) -> None:
    write_test(project, f"def test_a():\n    {line}\n")
    os.chmod(project.path / "old", 0o644)
    project.run("-W", "ignore", "--stateless-report=json:leaks.json")
    leaks = [leak for test in project.report()["tests"] for leak in test["leaks"]]
    assert {leak["subject"]: leak["message"] for leak in leaks} == {
        path: f"{what} (in memory only)" for path, what in told.items()
    }
    assert {leak["origin"]["function"] for leak in leaks} == ({"test_a"} if told else set())
    assert {leak["origin"]["line"] for leak in leaks} == ({10} if told else set())
    assert not [error for test in project.report()["tests"] for error in test["internal_errors"]]
    assert files(project) == TREE
    assert (project.path / "old").read_text() == "tea"
    assert (project.path / "old").stat().st_mode & 0o777 == 0o644


def test_what_the_test_wrote_it_can_read(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.mark.stateless(allow="file-write:*")
        def test_a():
            (HERE / "new").write_text("milk")
            assert (HERE / "new").read_text() == Path("new").read_text() == open("new").read() == "milk"
            os.rename("tree", "wood")
            assert os.listdir("wood") == ["leaf"]
            assert open("wood/leaf").read() == "tea"
            assert not os.path.exists("tree")
        """,
    )
    project.run("-W", "ignore").assert_outcomes(passed=1)
    assert files(project) == TREE


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("sqlite3.connect('new')", id="sqlite"),
        pytest.param("os.mkfifo('new')", id="fifo"),
        pytest.param("socket.socket(socket.AF_UNIX).bind('new')", id="unix-socket"),
    ],
)
def test_what_would_get_past_the_fake_is_denied(line: str, project: Project) -> None:
    write_test(
        project,
        f"""
        def test_a():
            with pytest.raises(PermissionError, match="past Python's own functions"):
                {line}
        """,
    )
    project.run("-W", "ignore").stdout.fnmatch_lines(["file-write  new  denied: *"])
    assert files(project) == TREE


@pytest.mark.skipif(os.name == "nt", reason="the numbers are those of another library there")
def test_no_descriptor_of_the_fake_is_one_of_the_systems(project: Project) -> None:
    """Else a child, a map or a duplicate would write to whatever file has the number in truth."""
    write_test(
        project,
        """
        import mmap
        REAL = [open(HERE / "old", "r+b", buffering=0) for _ in range(30)]

        @pytest.mark.stateless(allow="file-write:*")
        def test_a():
            numbers = {file.fileno() for file in REAL}
            ends = os.pipe()
            subprocess.run(["echo", "a"], stdout=ends[1])
            assert os.read(ends[0], 9) == b"a\\n"
            for end in ends:
                os.close(end)
            for time in range(2):
                end, other = os.pipe()
                assert max(end, other) < 100
                with os.fdopen(other, "wb") as written:
                    written.write(b"tea")
                with os.fdopen(end, "rb") as read:
                    assert read.read() == b"tea"
            with open("new", "w") as made:
                os.close(os.dup2(made.fileno(), min(numbers)))
            for made in [open(f"new{number}", "w+b") for number in range(40)]:
                assert made.fileno() not in numbers.union(ends)
                with pytest.raises(OSError):
                    subprocess.run(["echo", "spilt"], stdout=made)
                with pytest.raises(OSError):
                    mmap.mmap(made.fileno(), 1)
                os.write(made.fileno(), b"milk")
                assert os.fstat(made.fileno()).st_size == 4
                made.close()
        """,
    )
    project.run("-W", "ignore").assert_outcomes(passed=1)
    assert (project.path / "old").read_text() == "tea"


@pytest.mark.skipif(os.name == "nt", reason="shared memory is no file there")
def test_what_works_with_descriptors_and_is_imported_by_a_test_sees_those_of_the_system(
    project: Project,
) -> None:
    write_test(
        project,
        """
        NAME = "multiprocessing.shared_memory"
        sys.modules.pop(NAME, None)

        @pytest.mark.parametrize("time", ["first", "again"])
        def test_a(time):
            from multiprocessing.shared_memory import SharedMemory
            block = SharedMemory(create=True, size=9)
            block.close()
            block.unlink()
            assert not os.path.exists(HERE / "tree" / "nothing")
            sys.modules.pop(NAME) if time == "first" else None
            assert type(sys.modules["os"]) is not type(sys.modules["subprocess"].os)
        """,
    )
    project.run(
        *("-W", "ignore", "--stateless-allow=module-state:*", "--stateless-allow=interpreter-state:*")
    ).assert_outcomes(passed=2)
    assert files(project) == TREE


def test_what_goes_to_descriptors_is_captured(project: Project) -> None:
    write_test(
        project,
        """
        def test_a(capfd):
            subprocess.run("echo a; echo b >&2", shell=True)
            assert capfd.readouterr() == ("a\\n", "b\\n")
        def test_b(): pass
        """,
    )
    project.run("-W", "ignore").assert_outcomes(passed=2)


def test_temporary_directories_are_there_for_native_code_and_children(project: Project) -> None:
    write_test(
        project,
        """
        def test_sqlite(tmp_path):
            connection = sqlite3.connect(tmp_path / "shop.db")
            connection.execute("create table cart (item)")
            connection.close()
        def test_child(tmp_path):
            assert subprocess.check_output(["pwd"], cwd=tmp_path).strip().decode() == str(tmp_path)
        def test_python(tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            Path("a").write_text("tea")
            assert os.listdir(".") == ["a"]
        def test_factory(tmp_path_factory):
            (tmp_path_factory.mktemp("shop") / "a").write_text("tea")
        """,
    )
    project.run().assert_outcomes(passed=4)


def test_beside_a_wider_scoped_fixture_a_lifespan_and_a_capture_the_real_disk_is_looked_at(
    project: Project,
) -> None:
    """Memory, files of the capture and what an application sets up as it starts: nothing of it is of the fake."""
    pytest.importorskip("starlette")
    write_test(
        project,
        """
        import io
        BUFFER = io.BytesIO(b"tea")
        @pytest.fixture(scope="module")
        def session(): return {}
        def test_captured(session, capfd):
            print("tea")
            assert capfd.readouterr().out == "tea\\n"
        def test_started(session):
            from starlette.applications import Starlette
            from starlette.testclient import TestClient
            with TestClient(Starlette()): pass
        """,
    )
    assert project.found("-W", "ignore") == {}
    project.run("-W", "ignore").assert_outcomes(passed=2)


def test_what_a_wider_scoped_fixture_writes_is_on_the_disk_and_seen(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.fixture(autouse=True)
        def looked_into(): os.listdir(HERE)
        @pytest.fixture(scope="module")
        def assets():
            import late
            (HERE / "assets.css").write_text("a {}")
            yield HERE / "assets.css"
            assert late.os.path.exists(HERE / "assets.css")
            (HERE / "assets.css").unlink()
        def test_first(assets):
            assert assets.read_text() == "a {}"
        def test_second(assets):
            import late
            late.remove("assets.css")
            assert not assets.exists()
        def test_third(assets):
            assert assets.read_text() == "a {}"
        """,
    )
    assert project.found() == {"test_shop.py::test_second": ["file-write assets.css"]}
    assert files(project) == TREE


def test_what_fixtures_make_in_a_directory_that_was_looked_into_before_is_seen(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.fixture(scope="module")
        def assets():
            (HERE / "assets").mkdir()
            (HERE / "assets" / "a.css").write_text("a {}")
            (HERE / "old").rename(HERE / "assets" / "old")
            yield HERE / "assets"
            (HERE / "assets" / "old").rename(HERE / "old")
            shutil.rmtree(HERE / "assets")
        def test_wider(request):
            assert "assets" not in os.listdir(HERE)
            assets = request.getfixturevalue("assets")
            assert sorted(os.listdir(assets)) == ["a.css", "old"]
            assert not os.path.exists("old")
        def test_temporary(request, tmp_path_factory):
            before = set(os.listdir(tmp_path_factory.getbasetemp()))
            tmp_path = request.getfixturevalue("tmp_path")
            (tmp_path / "a").write_text("tea")
            assert tmp_path.name in set(os.listdir(tmp_path.parent)) - before
        """,
    )
    project.run("-W", "ignore").assert_outcomes(passed=2)
    assert files(project) == TREE


def test_nothing_of_the_fake_is_left_afterwards(project: Project) -> None:
    write_test(
        project,
        """
        def test_fake():
            import late
            class Settings: pass
            assert late.OLD.read_text() == "tea"
        @pytest.mark.stateless(disk="real")
        def test_real():
            import late
            assert "late" in sys.modules
            assert late.os is os is sys.modules["os"]
            assert late.remove is os.remove
            assert late.Path is Path
            assert type(late.OLD) is type(HERE)
            assert open.__module__ in ("io", "_io")
            assert os.__name__ == "os" and type(os) is type(sys)
            (HERE / "new").write_text("tea")
        """,
    )
    assert project.found("--stateless-no-blame") == {"test_shop.py::test_real": ["file-write new"]}
    assert (project.path / "new").read_text() == "tea"


def test_leaks_of_other_kinds_and_of_requests_are_told(project: Project) -> None:
    write_test(
        project,
        """
        def test_a(stateless):
            with stateless.request("GET /"):
                LEFT.append(1)
                made = socket.socket()
                made.bind(("127.0.0.1", 0))
                made.listen()
                LEFT.append(made)
                open("new", "w").close()
            Path("newer").touch()
        """,
    )
    project.run("--stateless-report=json:leaks.json", "-W", "ignore")
    (test,) = project.report()["tests"]
    assert not test["internal_errors"]
    assert {(leak["rule"], leak["subject"].partition(":")[0], leak["request"]) for leak in test["leaks"]} == {
        ("module-state", "test_shop.LEFT", "GET / (1st request)"),
        ("listening-socket", "127.0.0.1", "GET / (1st request)"),
        ("file-write", "new", "GET / (1st request)"),
        ("file-write", "newer", None),
    }


def test_the_second_run_is_faked_too(counted: CountedProject) -> None:
    counted.write_test(
        """
        @pytest.mark.stateless(disk="fake")
        def test_a():
            LEFT.append(1)
            open("receipt.txt", "w").close()
        """
    )
    counted.run("--stateless-report=json:leaks.json").assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a", "receipt.txt": "test_a"}
    assert not (counted.path / "receipt.txt").exists()


KINDS = """
import unittest
class TestUnit(unittest.TestCase):
    def test_unit(self): open("a", "w").close()
@pytest.mark.anyio
async def test_async(): open("b", "w").close()
@pytest.fixture
def anyio_backend(): return "asyncio"
@pytest.mark.parametrize("name", ["c", "d"])
def test_each(name): open(name, "w").close()
@pytest.fixture
def wrote(): open("e", "w").close()
def test_fixture(wrote): pass
"""
FOUND = {
    "TestUnit::test_unit": ["file-write a"],
    "test_async": ["file-write b"],
    "test_each[c]": ["file-write c"],
    "test_each[d]": ["file-write d"],
    "test_fixture": ["file-write e"],
}


@pytest.mark.parametrize("how", ["marker", "option", "ini"])
def test_every_kind_of_test_is_faked(how: str, project: Project) -> None:
    write_test(
        project, KINDS, 'pytest.mark.stateless(disk="fake")' if how == "marker" else "pytest.mark.stateless"
    )
    if how == "ini":
        project.write("pytest.ini", "[pytest]\nstateless_disk = fake\n")
    found = project.found("-p", "anyio", "-W", "ignore", *["--stateless-disk=fake"] * (how == "option"))
    assert {name.partition("::")[2]: leaks for name, leaks in found.items()} == FOUND
    assert not {path.name for path in project.path.iterdir()} & set("abcde")


@pytest.mark.slow
def test_workers_of_xdist_fake(project: Project) -> None:
    write_test(project, KINDS)
    project.run_apart("-p", "xdist", "-n", "2", "-p", "anyio", "--stateless-report=json:leaks.json")
    found = {
        test["nodeid"].partition("::")[2]: [f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]]
        for test in project.report()["tests"]
    }
    assert found == FOUND
    assert not {path.name for path in project.path.iterdir()} & set("abcde")


# ------------------------------------------------------------------------------ the user's own use of pyfakefs

USERS = """
def test_clean(fs):
    fs.create_file("/srv/a")
    Path("/srv/b").write_text("tea")
    os.symlink("/srv/b", "/srv/c")
    tempfile.gettempdir()
def test_state(fs):
    LEFT.append(1)
    Path("/b").write_text("tea")
def test_request(fs, stateless):
    with stateless.request("GET /"):
        Path("/srv/b").mkdir(parents=True)
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        made.listen()
        LEFT.append(made)
def test_import(fs):
    import fractions
    open("x", "w").close()
def test_past_the_fake(fs):
    sqlite3.connect(HERE_TEXT + "/shop.db").execute("create table cart (item)")
"""


@pytest.mark.parametrize("mark", ["pytest.mark.stateless", 'pytest.mark.stateless(disk="fake")'])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_writes_into_the_users_own_fake_are_no_leaks_and_the_rest_is_told(
    mark: str, project: Project
) -> None:
    write_test(project, "HERE_TEXT = str(HERE)\n" + USERS, mark)
    found = project.found("-p", "pyfakefs.pytest_plugin", "-W", "ignore", "--stateless-no-blame")
    assert found == {
        "test_shop.py::test_state": ["module-state test_shop.LEFT"],
        "test_shop.py::test_request": ["module-state test_shop.LEFT", "listening-socket 127.0.0.1:0"],
        "test_shop.py::test_past_the_fake": ["file-write shop.db"],
    }
    assert all(not test["internal_errors"] for test in project.report()["tests"])


def test_a_file_held_open_is_seen_while_the_disk_is_faked(project: Project) -> None:
    write_test(
        project,
        """
        LOG = open(HERE / "shop.log", "w")
        @pytest.fixture(scope="session", autouse=True)
        def closing():
            yield
            LOG.close()
        def test_a(fs, stateless):
            with stateless.request("GET /"):
                LOG.write("tea")
                LOG.flush()
        """,
        "pytest.mark.stateless",
    )
    found = project.found("-p", "pyfakefs.pytest_plugin", "-W", "ignore", "--stateless-allow=module-state:*")
    assert found == {"test_shop.py::test_a": ["file-write shop.log"]}


def test_an_ordinary_user_sees_the_directories_of_others(project: Project) -> None:
    write_test(
        project,
        """
        from pyfakefs.helpers import set_uid
        @pytest.fixture(autouse=True)
        def ordinary(): set_uid(12345)
        def test_a():
            assert set(os.listdir("/usr")) >= {"bin", "lib"}
            with pytest.raises(PermissionError):
                open("/usr/new", "w")
        """,
    )
    project.run().assert_outcomes(passed=1)


def test_a_file_that_vanishes_while_its_directory_is_read_hides_no_other(project: Project) -> None:
    write_test(
        project,
        """
        REAL = [os.listdir]
        @pytest.fixture(autouse=True)
        def vanishing(monkeypatch):
            import pyfakefs.fake_file as reading
            listed = lambda path: ["gone", *REAL[0](path)] if str(path) == str(HERE) else REAL[0](path)
            monkeypatch.setattr(reading.os, "listdir", listed)
        def test_a(): assert "old" in [entry.name for entry in os.scandir(HERE)]
        """,
    )
    project.run().assert_outcomes(passed=1)
