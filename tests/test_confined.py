"""Children of a test with ``disk="deny"``: they can write no more than the test may, where the kernel has Landlock."""

from __future__ import annotations

import os
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_stateless import confined, landlock
from pytest_stateless.zones import Zones

if TYPE_CHECKING:
    from tests.conftest import CountedProject, Project

pytestmark = [
    pytest.mark.skipif(not landlock.version(), reason="the kernel has no Landlock"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

HEAD: Final = """
import ctypes, multiprocessing, os, pathlib, pty, subprocess, sys, tempfile
import pytest
pytestmark = pytest.mark.stateless(disk="deny")
SH = ["/bin/sh", "-c", "echo tea > a"]
def wait(child): return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
def fork(run):
    child = os.fork()
    if not child:
        try: run()
        finally: os._exit(1)
    return wait(child)
"""


@pytest.fixture(autouse=True)
def _temp(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The project doesn't lie in a temporary directory, and children aren't measured."""
    temp = str(tmp_path_factory.mktemp("temp"))
    monkeypatch.setattr(tempfile, "tempdir", temp)
    monkeypatch.setenv("TMPDIR", temp)
    for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS_")]:
        monkeypatch.delenv(name)


def run(project: Project, text: str, *arguments: str) -> pytest.RunResult:
    """Run tests in a process of its own, with which their children end."""
    project.write("test_shop.py", HEAD + textwrap.dedent(text))
    return project.run_apart("-W", "ignore", "--stateless-report=json:leaks.json", *arguments)


WAYS: Final = {
    "subprocess": "subprocess.run(SH).returncode",
    "shell": "subprocess.run('echo tea > a', shell=True).returncode",
    "posix-spawn-by-subprocess": "subprocess.run(SH, close_fds=False).returncode",
    "preexec-fn": "subprocess.run(SH, preexec_fn=lambda: None).returncode",
    "asyncio": "__import__('asyncio').run(asyncio_child())",
    "system": "os.system('echo tea > a')",
    "popen": "os.popen('echo tea > a').close()",
    "posix-spawn": "wait(os.posix_spawn(SH[0], SH, os.environ))",
    "posix-spawnp": "wait(os.posix_spawnp('sh', SH, {}))",
    "spawnv": "os.spawnv(os.P_WAIT, SH[0], SH)",
    "fork-and-exec": "fork(lambda: os.execv(SH[0], SH))",
    "fork-and-execvp": "fork(lambda: os.execvp('sh', SH))",
    "fork-and-subprocess": "fork(lambda: os._exit(subprocess.run(SH).returncode))",
    "grandchild": "subprocess.run(['sh', '-c', 'sh -c \"echo tea > a\"']).returncode",
    "python-isolated": "subprocess.run([sys.executable, '-I', '-S', '-c', 'open(\"a\", \"w\")']).returncode",
    "absolute": "subprocess.run(['touch', os.path.abspath('a')]).returncode",
    "mkdir": "subprocess.run(['mkdir', 'a']).returncode",
    "link": "subprocess.run(['ln', '-s', '/', 'a']).returncode",
    "remove": "subprocess.run(['rm', 'old']).returncode",
    "rename": "subprocess.run(['mv', 'old', 'a']).returncode",
    "append": "subprocess.run(['sh', '-c', 'echo tea >> old']).returncode",
    "truncate": "subprocess.run(['truncate', '-s', '0', 'old']).returncode",
    "move-in": "subprocess.run(['sh', '-c', 'f=$(mktemp) && mv $f a']).returncode",
}

ASYNC: Final = """
async def asyncio_child():
    import asyncio
    child = await asyncio.create_subprocess_exec(*SH)
    return await child.wait()
"""


def test_what_a_child_writes_is_refused(project: Project) -> None:
    text = "".join(
        f"def test_{name.replace('-', '_')}():\n    assert {call} not in (0, None)\n"
        for name, call in WAYS.items()
    )
    project.write("old", "coffee")
    run(project, ASYNC + text).assert_outcomes(passed=len(WAYS))
    assert not os.path.lexists(project.path / "a")
    assert (project.path / "old").read_text() == "coffee"


FINE: Final = """
def check(*command): subprocess.run(command, check=True)
def sh(command): check("sh", "-c", command)

def test_tmp_path(tmp_path): check("touch", tmp_path / "a")
def test_system_temp(): sh("f=$(mktemp) && echo tea > $f && rm $f")
def test_moved_within_temp(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_text("tea")
    check("mv", tmp_path / "a", tmp_path / "b")
def test_devnull(): sh("echo tea > /dev/null")
def test_stdout(): assert subprocess.check_output(["sh", "-c", "echo tea > /dev/stdout"]) == b"tea\\n"
def test_reading(): check("cat", __file__)
def test_python(): check(sys.executable, "-c", "import json, zipfile")
def test_missing():
    with pytest.raises(FileNotFoundError):
        check("no-such-program")
def test_missing_for_posix_spawn():
    with pytest.raises(FileNotFoundError):
        os.posix_spawn("/no/program", ["no"], {})
def fail(): raise ValueError
def test_failing_preexec_fn():
    with pytest.raises(subprocess.SubprocessError):
        subprocess.run(SH, preexec_fn=fail)
def test_multiprocessing():
    child = multiprocessing.get_context("spawn").Process(target=print)
    child.start()
    child.join()
    assert child.exitcode == 0
def test_threads():
    import threading
    before = threading.active_count()
    sh("true")
    assert threading.active_count() == before
@pytest.mark.stateless(allow="file-write:old")
def test_allowed_file(): sh("echo tea > old")
@pytest.mark.stateless(allow="file-write:var/log/*")
def test_allowed_directory(): sh("mkdir var/log/x; echo tea > var/log/x/a")
@pytest.mark.stateless(allow="file-write:*.log")
def test_allowed_anywhere(): sh("echo tea > a.log")
@pytest.fixture(scope="module")
def built():
    sh("touch built")
def test_wider_scoped_fixture(built): assert os.path.exists("built")
@pytest.mark.stateless(disk="real", allow="file-write:a")
def test_real(): subprocess.run(SH, check=True)
@pytest.mark.stateless(False)
def test_unmarked(): subprocess.run(SH, check=True)
"""


def test_what_a_child_may_do_it_can(project: Project) -> None:
    project.write("old", "coffee")
    (project.path / "var" / "log").mkdir(parents=True)
    # The first child that multiprocessing spawns leaves an attribute of a thread.
    result = run(project, FINE, "--stateless-allow=module-state:multiprocessing.context.*")
    result.assert_outcomes(passed=FINE.count("def test_"))


def test_what_a_python_child_tried_is_told(project: Project) -> None:
    project.write("old", "coffee")
    project.write("shop.py", "")
    (project.path / "var").mkdir()
    result = run(
        project,
        """
        def child(text, *flags):
            subprocess.run([sys.executable, *flags, "-c", text])
        def test_tells(): child("open('a', 'w')")
        def test_removes(): child("import os; os.remove('old')")
        def test_fine(tmp_path): child(f"open({str(tmp_path / 'a')!r}, 'w'); open('/dev/null', 'w')")
        def test_nothing(): child("import os; os.makedirs('var', exist_ok=True); os.path.exists('a')")
        def test_imports(): child("import shop")
        @pytest.mark.stateless(allow="file-write:var/*")
        def test_allowed(): child("open('var/a', 'w')")
        """,
    )
    result.assert_outcomes(passed=4, failed=2)
    leaks = [leak for test in project.report()["tests"] for leak in test["leaks"]]
    assert sorted(f"{leak['subject']} {leak['message'].partition(' (')[0]}" for leak in leaks) == [
        "a denied: open for writing by a child process",
        "old denied: remove by a child process",
    ]
    assert {leak["origin"]["function"] for leak in leaks} == {"child"}


def test_this_process_is_as_it_was(project: Project) -> None:
    project.write("test_shop.py", HEAD + "def test_a(): assert subprocess.run(SH).returncode\n")
    project.run().assert_outcomes(passed=1)
    (project.path / "b").write_text("tea")
    os.system("touch c")
    assert (project.path / "c").exists()


def test_the_second_run_is_confined_too(counted: CountedProject) -> None:
    counted.write_test(
        """
        import os
        @pytest.mark.stateless(disk="deny")
        def test_a():
            LEFT.append(1)
            os.system("echo tea >> receipt.txt")
        """
    )
    counted.run("--stateless-report=json:leaks.json").assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a"}
    assert not (counted.path / "receipt.txt").exists()


def test_a_forkserver_serves_later_tests(project: Project) -> None:
    text = """
        def spawn(target, *args):
            child = multiprocessing.get_context("forkserver").Process(target=target, args=args)
            child.start()
            child.join()
            assert child.exitcode == 0
        def test_denied(): spawn(print)
        @pytest.mark.stateless(disk="real", allow="file-write:a")
        def test_real(): spawn(os.mkdir, "a")
        """
    rules = "listening-socket", "child-process", "open-descriptor", "module-state"
    result = run(project, text, *(f"--stateless-allow={rule}:*" for rule in rules))
    result.assert_outcomes(passed=2)
    assert (project.path / "a").is_dir()


def test_the_line_that_started_a_child_is_still_known(project: Project) -> None:
    result = run(
        project,
        """
        def test_a():
            os.posix_spawn("/bin/sleep", ["sleep", "0.5"], {})
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["child-process *", "*by test_shop.py:* in test_a"])


# --------------------------------------------------------------------------------------------- what is written


ROOT: Final = "/srv/shop"


@pytest.mark.parametrize(
    ("zones", "patterns", "further"),
    [
        pytest.param(Zones(ROOT, ("/tmp",)), [], ("/tmp",), id="temporary"),
        pytest.param(Zones(ROOT, ("/srv/shop/tmp",)), [], ("/srv/shop/tmp",), id="temporary-within"),
        pytest.param(Zones(ROOT, ("/srv",)), [], None, id="project-in-a-temporary-directory"),
        pytest.param(Zones(ROOT, ()), ["*"], None, id="everything"),
        pytest.param(Zones(ROOT, ()), ["*.log"], None, id="anywhere"),
        pytest.param(Zones(ROOT, ()), ["shop.log"], None, id="in-the-root-directory"),
        pytest.param(Zones("/usr/shop", ()), ["/usr/lib/*"], ("/usr/lib",), id="elsewhere"),
        pytest.param(Zones("/usr/shop", ()), ["/usr/lib/no/x?"], ("/usr/lib",), id="what-is-there-of-it"),
        pytest.param(Zones("/usr/shop", ()), ["/etc/passwd"], ("/etc/passwd",), id="file"),
    ],
)
def test_which_paths_are_left_open(
    zones: Zones, patterns: list[str], further: tuple[str, ...] | None
) -> None:
    expected = None if further is None else ("/dev", "/proc", "/sys", *further)
    assert confined.writable(zones, patterns) == expected


def test_children_that_are_measured_are_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERAGE_PROCESS_START", ".coveragerc")
    assert confined.writable(Zones(ROOT, ()), []) is None


def test_a_kernel_without_landlock_confines_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert confined.writable(Zones(ROOT, ()), []) is None


def test_a_call_gives_what_it_gives_and_raises_what_it_raises(tmp_path: Path) -> None:
    assert landlock.confined([str(tmp_path)], divmod, 7, 2) == (3, 1)
    with pytest.raises(PermissionError):
        landlock.confined([str(tmp_path / "none")], open, tmp_path / "a", "w")
    with pytest.raises(SystemExit):
        landlock.confined([], sys.exit)


def test_where_it_is_refused_the_call_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(rules: int) -> None:
        raise OSError(7, "too many layers")

    monkeypatch.setattr(landlock, "_restrict", refuse)
    landlock.confined([], (tmp_path / "a").touch)
    assert (tmp_path / "a").exists()
