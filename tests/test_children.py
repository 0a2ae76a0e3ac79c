"""Python children of a checked test tell what they write, whatever becomes of them, and run unharmed."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless import audit, children
from pytest_stateless.noted import Write
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children of POSIX")

WRITER = """
import os, sys
def work(name):
    open(name, "w").close()
if __name__ == "__main__":
    work(sys.argv[1])
    if "kill" in sys.argv:
        os.kill(os.getpid(), 9)
    if "exit" in sys.argv:
        os._exit(3)
"""
HEAD = """
import multiprocessing, os, pathlib, subprocess, sys, time
import pytest
from writer import work
pytestmark = pytest.mark.stateless(allow=["module-state:*"])
def run(*args, **more):
    return subprocess.run([sys.executable, *args], **more)
"""


QUIET = "-W", "ignore", "--stateless-scope=application"
"""The rest of the memory is not what these tests are about."""


def write_test(project: Project, text: str, head: str = HEAD) -> None:
    project.write("writer.py", WRITER)
    project.write("test_shop.py", head + textwrap.dedent(text))


def told(project: Project, *arguments: str) -> list[tuple[str, str, str]]:
    """Subject, message and place of each leak."""
    project.run(*QUIET, "--stateless-report=json:leaks.json", *arguments)
    tests = project.report()["tests"]
    assert not [error for test in tests for error in test["internal_errors"]]
    return [
        (leak["subject"], leak["message"], f"{leak['origin']['file']} {leak['origin']['function']}")
        for test in tests
        for leak in test["leaks"]
    ]


def left_over() -> set[str]:
    return {
        name
        for name in os.listdir(tempfile.gettempdir())
        if name.startswith(f"pytest-stateless-{os.getpid()}-")
    }


MP = "multiprocessing.get_context({!r}).Process(target=work, args=('new',))"


@pytest.mark.parametrize(
    ("lines", "child", "place"),
    [
        pytest.param("run('writer.py', 'new')", "python writer.py new", "writer.py work", id="run"),
        pytest.param(
            "run('writer.py', 'new', 'kill')", "python writer.py new kill", "writer.py work", id="killed"
        ),
        pytest.param(
            "run('writer.py', 'new', 'exit')", "python writer.py new exit", "writer.py work", id="os-exit"
        ),
        pytest.param(
            "run('-c', 'open(\"new\", \"w\")')", 'python -c open("new", "w")', "test_shop.py run", id="text"
        ),
        pytest.param("run('-m', 'writer', 'new')", "python -m writer new", "writer.py work", id="module"),
        pytest.param(
            "subprocess.run(f'{sys.executable} writer.py new', shell=True)",
            *("python writer.py new", "writer.py work"),
            id="shell",
        ),
        pytest.param(
            "run('writer.py', 'new', env={'HOME': '/'})",
            "python writer.py new",
            "writer.py work",
            id="environment",
        ),
        pytest.param(
            "run('writer.py', 'new', close_fds=False)",
            "python writer.py new",
            "writer.py work",
            id="posix-spawn",
        ),
        pytest.param(
            "os.waitpid(os.posix_spawn(sys.executable, [sys.executable, 'writer.py', 'new'], os.environ), 0)",
            *("python writer.py new", "writer.py work"),
            id="os-posix-spawn",
        ),
        pytest.param(
            "pid = os.fork()\n    if not pid: work('new'); os._exit(0)\n    os.waitpid(pid, 0)",
            "fork",
            "writer.py work",
            id="fork",
        ),
        pytest.param(
            "pid = os.fork()\n    if not pid: work('new'); os.kill(os.getpid(), 9)\n    os.waitpid(pid, 0)",
            *("fork", "writer.py work"),
            id="fork-killed",
        ),
        pytest.param(
            f"child = {MP.format('fork')}\n    child.start(); child.join()",
            "fork",
            "writer.py work",
            id="mp-fork",
        ),
        pytest.param(
            f"child = {MP.format('spawn')}\n    child.start(); child.join()",
            "spawn_main",
            "writer.py work",
            id="mp-spawn",
        ),
    ],
)
def test_a_child_tells_what_it_writes_and_where(lines: str, child: str, place: str, project: Project) -> None:
    write_test(project, f"def test_a():\n    {lines}\n")
    before = {**os.environ, "PYTEST_CURRENT_TEST": ""}
    ((subject, message, where),) = told(project)
    assert (subject, where) == ("new", place)
    assert message.startswith("created by a child process (")
    assert child in message.replace(os.path.basename(os.path.realpath(sys.executable)), "python")
    assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == before
    assert left_over() == set()


@pytest.mark.slow
def test_a_child_of_a_forkserver_tells_what_it_writes(project: Project) -> None:
    write_test(
        project,
        f"""
        def test_a():
            child = {MP.format("forkserver")}
            child.start()
            child.join()
        """,
    )
    project.run_apart("-W", "ignore", "--stateless-report=json:leaks.json")
    (test,) = project.report()["tests"]
    (leak,) = [leak for leak in test["leaks"] if leak["rule"] == "file-write"]
    assert (leak["subject"], leak["origin"]["function"]) == ("new", "work")


OPERATIONS = {
    "os.mkdir('new')": ["new"],
    "os.remove('old')": ["old"],
    "os.rename('old', 'new')": ["new", "old"],
    "os.link('old', 'new')": ["new"],
    "os.symlink('old', 'new')": ["new"],
    "os.chmod('old', 0o600)": ["old"],
    "os.truncate('old', 1)": ["old"],
    "open(b'old', 'a').write('x')": ["old"],
    "os.truncate(os.open('old', os.O_RDWR), 1)": ["old"],
    "shutil.rmtree('tree')": ["tree/leaf"],
    "os.unlink('leaf', dir_fd=os.open('tree', os.O_RDONLY))": ["tree/leaf"],
    "open('link', 'a').write('x')": ["old"],
    "sqlite3.connect('new').execute('create table a (b)')": ["new"],
    "sqlite3.connect(':memory:').execute('create table a (b)')": [],
    "open('old').read()": [],
    "os.makedirs('tree', exist_ok=True)": [],
    "open('new', 'w').close(); os.remove('new')": [],
    "open(sys.argv[1] + '/a', 'w').close()": [],
    "pathlib.Path(sys.argv[1], 'a').write_text('x')": [],
}


@pytest.mark.parametrize("line", OPERATIONS)
def test_what_a_child_does_counts_as_if_the_test_did_it(line: str, project: Project) -> None:
    write_test(project, "def test_a(tmp_path): run('act.py', str(tmp_path), check=True)\n")
    project.write("act.py", f"import os, pathlib, shutil, sqlite3, sys\n{line}\n")
    project.write("old", "tea")
    project.write("tree/leaf", "tea")
    os.symlink("old", project.path / "link")
    assert [subject for subject, _, _ in told(project)] == OPERATIONS[line]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("run('-I', 'writer.py', 'new', check=True)", id="isolated"),
        pytest.param("run('-S', '-E', 'writer.py', 'new', check=True)", id="without-site"),
    ],
)
def test_a_child_that_loads_no_hook_runs_unharmed(lines: str, project: Project) -> None:
    write_test(project, f"def test_a():\n    {lines}\n")
    project.run(*QUIET)
    assert (project.path / "new").exists()


SEES = """
import os, sys
print(os.environ.get("PYTHONPATH"), [name for name in os.environ if "STATELESS" in name])
print([entry for entry in sys.path if "pytest-stateless-" in entry], "sitecustomize" in sys.modules)
print([entry for entry in sys.path_importer_cache if "pytest-stateless-" in entry], "json" in sys.modules)
try:
    import sitecustomize
    print(sitecustomize.MINE)
except ImportError:
    print("none")
"""


@pytest.mark.parametrize("path", [None, "extra", f"extra{os.pathsep}more"])
def test_a_child_sees_nothing_of_the_hook(path: str | None, project: Project, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": path or ""}
    if path is None:
        del environment["PYTHONPATH"]
    project.write("sees.py", SEES)
    if path:
        project.write("extra/sitecustomize.py", "MINE = 'mine'\n")
    write_test(
        project,
        f"""
        def test_a():
            ran = run("sees.py", env={environment!r}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            pathlib.Path("seen").write_text(ran.stdout + ran.stderr)
        """,
    )
    project.run(*QUIET)
    plain = subprocess.run(
        [sys.executable, "sees.py"], cwd=project.path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert (project.path / "seen").read_text() == plain.stdout
    assert ("mine" in plain.stdout) is bool(path)


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.14", "python2", "pypy3"])
def test_a_child_of_another_python_runs_unharmed(name: str, project: Project) -> None:
    program = shutil.which(name)
    if program is None or subprocess.run([program, "-c", ""], stderr=subprocess.PIPE).returncode:
        pytest.skip(f"no {name}")
    write_test(
        project,
        f"""
        def test_a():
            ran = subprocess.run([{program!r}, "writer.py", "new"], stderr=subprocess.PIPE)
            assert (ran.returncode, ran.stderr) == (0, b"")
        """,
    )
    assert [(subject, where) for subject, _, where in told(project)] == [("new", "writer.py work")]


def test_what_a_child_of_an_earlier_test_says_is_not_told_of_this_one(project: Project) -> None:
    write_test(
        project,
        """
        LATE = "import sys, time; sys.stdin.read(1); open('late', 'w').close()"
        STARTED = []
        def test_first():
            STARTED.append(subprocess.Popen([sys.executable, "-c", LATE], stdin=subprocess.PIPE))
        def test_second():
            run("-c", "pass")
            STARTED[0].communicate(b"x")
            assert pathlib.Path("late").exists()
        """,
    )
    project.run_apart("-W", "ignore", "--stateless-report=json:leaks.json")
    leaks = [leak for test in project.report()["tests"] for leak in test["leaks"]]
    # That the file is there is seen, and also that a child may have made it.
    seen = [leak for leak in leaks if leak["rule"] == "file-write"]
    assert [(leak["subject"], leak["origin"]) for leak in seen] in ([], [("late", None)])


def test_a_child_of_a_wider_scoped_fixture_is_the_fixtures(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.fixture(scope="session")
        def database():
            run("writer.py", "shop.db")
            yield
            run("-c", "import os; os.remove('shop.db')")
        def test_first(database): run("writer.py", "new")
        def test_second(database): pass
        """,
    )
    assert [subject for subject, _, _ in told(project)] == ["new"]


def test_a_forked_child_tells_what_was_denied(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.mark.stateless(disk="deny")
        def test_a():
            pid = os.fork()
            if not pid:
                try:
                    work("new")
                except PermissionError:
                    pass
                os._exit(0)
            os.waitpid(pid, 0)
        """,
    )
    assert told(project) == [("new", "denied: open for writing by a child process (fork)", "writer.py work")]
    assert not (project.path / "new").exists()


def test_a_child_of_a_test_whose_disk_is_faked_tells_what_it_writes(project: Project) -> None:
    pytest.importorskip("pyfakefs")
    write_test(project, "@pytest.mark.stateless(disk='fake')\ndef test_a(): run('writer.py', 'new')\n")
    assert [(subject, where) for subject, _, where in told(project)] == [("new", "writer.py work")]


def test_what_a_python_child_put_back_is_no_leak(project: Project) -> None:
    project.write("a.txt", "tea")
    project.write("open.txt", "tea")
    project.write(
        "test_shop.py",
        """
        import os, subprocess, sys
        PUT_BACK = "for text in 'ham', 'tea': open({!r}, 'w').write(text)"

        def forked(code):
            child = os.fork()
            if not child:
                exec(code)
                os._exit(0)
            os.waitpid(child, 0)

        def spawned(code): subprocess.run([sys.executable, "-c", code], check=True)
        def test_spawned(): spawned(PUT_BACK.format("a.txt"))
        def test_forked(): forked(PUT_BACK.format("a.txt"))
        def test_spawned_and_left(): spawned("open('a.txt', 'w').write('ham')")
        def test_forked_and_left(): forked("open('a.txt', 'w').write('tea')")
        def test_held(): spawned("held = open('open.txt')\\n" + PUT_BACK.format("open.txt"))
        """,
    )
    found = {name.partition("::")[2]: leaks for name, leaks in project.found("--stateless").items()}
    assert found == {
        "test_spawned_and_left": ["file-write a.txt"],
        "test_forked_and_left": ["file-write a.txt"],
        "test_held": ["file-write open.txt"],  # to read it would free the locks that the child may have on it
    }


def test_children_of_tests_that_are_not_checked_load_no_hook(project: Project) -> None:
    write_test(
        project,
        """
        SEE = "import os; print([name for name in os.environ if 'STATELESS' in name])"
        @pytest.mark.stateless
        def test_first(): run("-c", "pass")
        def test_unmarked():
            from pytest_stateless import children
            assert subprocess._fork_exec.__module__ != children.__name__ if hasattr(subprocess, "_fork_exec") else True
            assert os.posix_spawn.__class__.__name__ == "builtin_function_or_method"
        """,
        HEAD.replace("pytestmark", "unused"),
    )
    project.run(*QUIET).assert_outcomes(passed=2)


@pytest.mark.slow
def test_children_under_xdist_report_to_their_own_worker(project: Project) -> None:
    write_test(
        project,
        """
        @pytest.mark.parametrize("name", ["a", "b", "c", "d"])
        def test_each(name): run("writer.py", name)
        """,
    )
    project.run_apart("-p", "xdist", "-n", "2", "-W", "ignore", "--stateless-report=json:leaks.json")
    leaks = {
        test["nodeid"][-2]: [leak["subject"] for leak in test["leaks"]] for test in project.report()["tests"]
    }
    assert leaks == {name: [name] for name in "abcd"}


# ------------------------------------------------------------------------------------------- hand-made values


GOOD = "['mkdir', '/srv/a', '', None, None, [['/srv/shop/b.py', 3, 'f']], ['python'], 'None']"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        pytest.param(f"{GOOD}\n{GOOD[:30]}", ["/srv/a"], id="half-a-line-at-the-end"),
        pytest.param(f"{GOOD[:30]}\n{GOOD}\n", ["/srv/a"], id="half-a-line-before"),
        pytest.param(f"nonsense\n[]\n{{}}\n\0\n7\n{GOOD}\n", ["/srv/a"], id="something-else"),
        pytest.param("", [], id="nothing"),
        pytest.param(
            "['mkdir', '/srv/\\udcff', '', None, None, [], [], 'None']\n", ["/srv/\udcff"], id="strange-name"
        ),
        pytest.param("['mkdir', '/srv/a', '', None, None, None, 'denied']\n", ["/srv/a"], id="forked"),
        pytest.param("['mkdir', '/srv/a', '', None, None, [], [], '[99]']\n", [], id="unknown-start"),
    ],
)
def test_whole_lines_are_taken_over_once(
    text: str, paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "directory": str(tmp_path),
        "used": True,
        "read": 0,
        "window": 3,
    }.items():
        monkeypatch.setattr(children._Reports, name, value)
    (tmp_path / "3.txt").write_text(text)
    recording = Recording(Sources("/srv/shop"))
    children.collect(recording)
    children.collect(recording)
    assert [write.path for write in recording.writes] == paths


def test_a_place_that_cannot_be_made_leaves_the_child_as_it_is(
    recorded_children: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(children._Real, "mkdir", refuse)
    ran = subprocess.run(["sh", "-c", "exec env"], stdout=subprocess.PIPE, check=True)
    assert b"STATELESS_REPORT" not in ran.stdout


@pytest.fixture
def recorded_children(tmp_path: Path) -> Any:
    recording = Recording(Sources(str(tmp_path)))
    previous = audit.start(recording)
    children.install()
    yield recording
    children.remove()
    audit.stop(previous)
    children.clear_away()


def test_while_the_stand_ins_rest_a_child_is_let_alone(recorded_children: Any) -> None:
    def environment() -> bytes:
        return subprocess.run(["sh", "-c", "exec env"], check=True, stdout=subprocess.PIPE).stdout

    assert b"PYTEST_STATELESS_REPORT" in environment()
    children.rest()
    assert b"PYTEST_STATELESS_REPORT" not in environment()


def test_windows_leave_neither_descriptors_nor_files(recorded_children: Any) -> None:
    def look() -> tuple[int, set[str]]:
        return len(os.listdir("/proc/self/fd")), left_over()

    subprocess.run([sys.executable, "-c", ""], check=True)
    before = look()
    for _ in range(200):
        children.remove()
        children.install()
        children.collect(recorded_children)
    assert look() == before
    children.clear_away()
    assert left_over() == set()


def test_where_no_child_can_be_reached_nothing_is_put_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_REAL_FORK_EXEC", None)
    monkeypatch.setattr(children, "_STANDS_IN", {})
    monkeypatch.setattr(children._Installed, "at_fork", True)
    before = (os.posix_spawn, dict(vars(subprocess)))
    children.install()
    try:
        assert (os.posix_spawn, dict(vars(subprocess))) == before
        subprocess.run([sys.executable, "-c", ""], check=True)
        assert not children._Reports.used
    finally:
        children.remove()


@pytest.mark.parametrize("environment", ["None", "dict(os.environ, SHOP='tea')"])
def test_other_programs_see_the_environment_that_they_are_given(environment: str, project: Project) -> None:
    write_test(
        project,
        f"""
        def test_a():
            shown = subprocess.run(["env"], env={environment}, stdout=subprocess.PIPE, text=True).stdout
            assert "STATELESS_REPORT" not in shown
        """,
    )
    project.run(*QUIET).assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["system", "execv", "execve", "posix_spawn", "posix_spawnp"])
def test_what_stands_in_can_be_sent_to_another_process(name: str, recorded_children: Any) -> None:
    stands_in = getattr(os, name)
    text = pickle.dumps(stands_in)
    assert pickle.loads(text) is stands_in
    children.remove()
    assert pickle.loads(text) is getattr(os, name) is not stands_in


def test_what_putenv_set_reaches_a_child(project: Project) -> None:
    write_test(
        project,
        """
        def test_a():
            os.putenv("STATELESS_SHOP", "tea")
            try:
                run("-c", "import os; assert os.environ['STATELESS_SHOP'] == 'tea'", check=True)
            finally:
                os.unsetenv("STATELESS_SHOP")
        """,
    )
    project.run(*QUIET).assert_outcomes(passed=1)


def shown(**more: Any) -> dict[str, str]:
    """The environment of a child that runs a shell."""
    ran = subprocess.run(["sh", "-c", "exec env"], stdout=subprocess.PIPE, text=True, check=True, **more)
    return dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)


@pytest.mark.parametrize("more", [{}, {"env": {"SHOP": "tea"}}], ids=["inherited", "given"])
def test_a_child_that_begins_elsewhere_is_reached_too(more: dict[str, Any], recorded_children: Any) -> None:
    found = shown(cwd="/", **more)  # never by posix_spawn
    assert found["PYTEST_STATELESS_REPORT"] == children._Reports.file()
    assert found.get("SHOP") == ("tea" if more else None)


def test_a_command_is_run_as_it_is_where_nobody_listens(
    recorded_children: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "current", lambda: None)
    assert os.system(f"env > '{tmp_path}/seen'") == 0
    assert "STATELESS_REPORT" not in (tmp_path / "seen").read_text()


def test_who_stands_in_our_place_already_is_left_there(monkeypatch: pytest.MonkeyPatch) -> None:
    mock: Any = object()  # a user's
    monkeypatch.setattr(os, "posix_spawn", mock)
    monkeypatch.setattr(children._Installed, "at_fork", True)
    children.install()
    try:
        assert os.posix_spawn is mock
        assert os.system is not children._STANDS_IN["system"][0]
    finally:
        children.remove()
    assert os.posix_spawn is mock


Call = tuple[Any, ...]


@pytest.fixture
def executed(recorded_children: Any, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What a forked child became, had it been one: path, arguments, and the environment where there is one."""
    calls: list[Call] = []
    monkeypatch.setattr(children._Reports, "forked", True)
    monkeypatch.setattr(children._Real, "execve", staticmethod(lambda *args: calls.append(args)))
    return calls


def become(executed: list[Call], *call: Any) -> Any:
    """The environment with which a forked child becomes a program; None for that which it has."""
    build = children._executing if len(call) == 2 else children._executing_in
    build(lambda *args: executed.append(args))(*call)
    path, argv, *more = executed.pop()
    assert (path, argv) == call[:2]
    return more[0] if more else None


def test_a_forked_child_becomes_a_program_that_tells(executed: list[Call]) -> None:
    report = os.fsencode(children._Reports.file())
    for call in (("/bin/sh", ["sh"]), ("/bin/sh", ["sh"], {"SHOP": "tea"})):
        found = become(executed, *call)
        assert found[b"PYTEST_STATELESS_REPORT"].endswith(report)
        assert found.get(b"SHOP") == (b"tea" if len(call) == 3 else None)


def test_a_forked_child_becomes_another_program_as_it_is(
    executed: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"SHOP": "tea"}
    assert become(executed, "/usr/bin/env", ["env"]) is None
    assert become(executed, "/usr/bin/env", ["env"], environment) is environment
    monkeypatch.setattr(children._Reports, "forked", False)
    assert become(executed, "/bin/sh", ["sh"]) is None
    assert become(executed, "/bin/sh", ["sh"], environment) is environment


def test_what_a_forked_child_writes_is_sent_but_for_the_report_itself(
    recorded_children: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children._Reports, "forked", False)
    assert children._prepare(recorded_children)
    children._in_forked_child()
    send, recorded_children.send = recorded_children.send, None  # else this process tells of itself
    report = children._Reports.file()
    send([Write("open", path, "", None, None) for path in (report, "/srv/shop/a", "/srv/shop/b")])
    recorded_children.writes.clear()
    children.collect(recorded_children)
    assert [write.path for write in recorded_children.writes] == ["/srv/shop/a", "/srv/shop/b"]
    shutil.rmtree(os.path.dirname(report))
    send([Write("open", "/srv/shop/c", "", None, None)])  # as where there is no space


def test_a_server_of_children_is_told_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multiprocessing.forkserver", sys)
    monkeypatch.setattr(children._Reports, "directory", str(tmp_path))
    monkeypatch.setattr(children._Reports, "window", 12)
    assert children._tell_server()
    monkeypatch.setattr(children._Reports, "window", 7)
    assert children._tell_server()
    assert (tmp_path / "window").read_text() == "7"
    monkeypatch.setattr(children._Reports, "directory", str(tmp_path / "missing"))
    assert not children._tell_server()
