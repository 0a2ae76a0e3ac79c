"""How a child is started decides who tells what it writes: the child, with its own line, or who sees the directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.reaching import environment_with, may_load_hook

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children of POSIX")

WRITER = """
def work(name):
    open(name, "w").close()
if __name__ == "__main__":
    import sys
    work(sys.argv[1])
"""
STARTER = """
import os, subprocess, sys
def start(how, name):
    {
        "run": lambda: subprocess.run([sys.executable, "writer.py", name]),
        "environment": lambda: subprocess.run([sys.executable, "writer.py", name], env=dict(os.environ, A="1")),
        "spawn": lambda: subprocess.run([sys.executable, "writer.py", name], close_fds=False),
        "system": lambda: os.system(f"{sys.executable} writer.py {name}"),
        "exec": lambda: os.execv(sys.executable, [sys.executable, "writer.py", name]),
        "twice": lambda: subprocess.run([sys.executable, "starter.py", "run", name]),
        "isolated": lambda: subprocess.run([sys.executable, "-I", "writer.py", name]),
    }[how]()
if __name__ == "__main__":
    start(*sys.argv[1:])
"""
HEAD = """
import os, pathlib, pty, subprocess, sys
import pytest
PYTHON = sys.executable
pytestmark = pytest.mark.stateless(allow=["module-state:*"])
def run(*words, **more): return subprocess.run(words, check=True, **more)
def fork(execute):
    child = os.fork()
    if not child:
        execute()
    os.waitpid(child, 0)
"""
OWN = "writer.py work"
ROWS = {
    "isolated": ("run(PYTHON, '-I', 'writer.py', name)", "-I writer.py", "test_shop.py run"),
    "no-environment": ("run(PYTHON, '-E', 'writer.py', name)", "-E writer.py", "test_shop.py run"),
    "no-site": ("run(PYTHON, '-sS', 'writer.py', name)", "-sS writer.py", "test_shop.py run"),
    "empty-environment": ("run(PYTHON, 'writer.py', name, env={})", "python writer.py", OWN),
    "system": ("os.system(f'{PYTHON} writer.py {name}')", "python writer.py", OWN),
    "system-bytes": ("os.system(os.fsencode(f'{PYTHON} writer.py {name}'))", "python writer.py", OWN),
    "popen": ("os.popen(f'{PYTHON} writer.py {name}').close()", "python writer.py", OWN),
    "script": ("run('./start.sh', name)", "python writer.py", OWN),
    "spawnv": ("os.spawnv(os.P_WAIT, PYTHON, [PYTHON, 'writer.py', name])", "python writer.py", OWN),
    "fork-exec": (
        "fork(lambda: os.execlp(PYTHON, PYTHON, 'writer.py', name))",
        *("python writer.py", OWN),
    ),
    "fork-exec-environment": (
        "fork(lambda: os.execve(PYTHON, [PYTHON, 'writer.py', name], env={}))",
        *("python writer.py", OWN),
    ),
    "terminal": (
        "pty.spawn([PYTHON, 'writer.py', name], lambda fd: os.read(fd, 99))",
        "python writer.py",
        OWN,
    ),
    "text": ("run(PYTHON, '-c', f'open({name!r}, \"w\")', env={})", "python -c open", "test_shop.py run"),
    "fork-exec-text": (
        "fork(lambda: os.execv(PYTHON, [PYTHON, '-c', f'open({name!r}, \"w\")']))",
        *("python -c open", "test_shop.py <lambda>"),
    ),
    "isolated-of-fork": (
        "fork(lambda: os.execv(PYTHON, [PYTHON, '-I', 'writer.py', name]))",
        *("(fork)", "test_shop.py fork"),
    ),
    **{
        f"child-{how}": (f"run(PYTHON, 'starter.py', '{how}', name)", "python writer.py", OWN)
        for how in ("run", "environment", "spawn", "system", "exec", "twice")
    },
    "child-isolated": (
        "run(PYTHON, 'starter.py', 'isolated', name)",
        *("python starter.py isolated", "test_shop.py run"),
    ),
}
"""What a test does to write a file of its own name, the child that is told, and the line."""


def write_project(project: Project) -> None:
    project.write("writer.py", WRITER)
    project.write("starter.py", STARTER)
    project.write("start.sh", f"#!/bin/sh\n# starts it\n{sys.executable} writer.py $1\n").chmod(0o755)
    tests = [
        f"def test_{key.replace('-', '_')}():\n    name = '{key}'\n    {lines}\n"
        f"    assert os.path.exists(name)\n"
        for key, (lines, _, _) in ROWS.items()
    ]
    project.write("test_shop.py", HEAD + "\n".join(tests))


NOBODY_KNOWN = """
import pytest_stateless.watches
def refuse(): raise OSError("no fanotify")
pytest_stateless.watches.Fanotify = refuse
"""


@pytest.mark.slow
@pytest.mark.parametrize("conftest", ["", NOBODY_KNOWN], ids=["fanotify", "without-fanotify"])
def test_each_child_is_told_with_its_own_line_or_the_one_that_started_it(
    conftest: str, project: Project
) -> None:
    write_project(project)
    project.write("conftest.py", conftest)
    project.run_apart("-p", "no:cacheprovider", "-W", "ignore", "--stateless-report=json:leaks.json")
    found = {}
    for test in project.report()["tests"]:
        assert not test["internal_errors"]
        for leak in test["leaks"]:
            python = os.path.basename(os.path.realpath(sys.executable))
            message = (
                leak["message"].replace(python, "python").replace(f"{os.path.dirname(sys.executable)}/", "")
            )
            origin = leak["origin"] or {"file": "nobody", "function": ""}
            found[leak["subject"]] = message, f"{origin['file']} {origin['function']}"
    differing = {
        key: found.get(key)
        for key, (_, child, place) in ROWS.items()
        if key not in found or child not in found[key][0] or found[key][1] != place
    }
    assert differing == {}
    assert found.keys() == ROWS.keys()


SERVED = """
import multiprocessing
import pytest
from writer import work
CONTEXT = multiprocessing.get_context("forkserver")
def start(name):
    child = CONTEXT.Process(target=work, args=(name,))
    child.start()
    child.join()
@pytest.mark.parametrize("name", ["first", "second", "third"])
@pytest.mark.stateless(allow=["module-state:*"])
def test_each(name): start(name)
def test_unmarked(): start("unmarked")
@pytest.mark.stateless(allow=["module-state:*"])
def test_clean(): pass
@pytest.mark.stateless(allow=["module-state:*"])
def test_last(): start("last")
"""


@pytest.mark.slow
def test_a_child_of_a_forkserver_tells_in_the_test_that_asked_for_it(project: Project) -> None:
    project.write("writer.py", WRITER)
    project.write("test_shop.py", SERVED)
    project.run_apart("-W", "ignore", "--stateless-report=json:leaks.json")
    found = {
        test["nodeid"].partition("::")[2]: [
            (leak["subject"], leak["message"], leak["origin"]) for leak in test["leaks"]
        ]
        for test in project.report()["tests"]
    }
    assert {name: [subject for subject, _, _ in leaks] for name, leaks in found.items()} == {
        "test_each[first]": ["first"],
        "test_each[second]": ["second"],
        "test_each[third]": ["third"],
        "test_last": ["last"],
        **({"test_clean": []} if "test_clean" in found else {}),
    }
    for ((_, message, origin),) in filter(None, found.values()):
        assert message.startswith("created by a child process (python")
        assert (origin["file"], origin["function"]) == ("writer.py", "work")


@pytest.mark.parametrize(
    ("before", "path"),
    [
        pytest.param({}, b"/tmp/r", id="none"),
        pytest.param({b"PYTHONPATH": b""}, b"/tmp/r", id="empty"),
        pytest.param({b"PYTHONPATH": b"/a:/b", b"A": b"1"}, b"/tmp/r:/a:/b", id="some"),
    ],
)
def test_the_hook_stands_first_in_the_path_of_a_child(before: dict[bytes, bytes], path: bytes) -> None:
    after = environment_with("/tmp/r/3.txt", "None", before)
    assert after.pop(b"PYTHONPATH") == path
    assert after.pop(b"PYTEST_STATELESS_REPORT") == b"/tmp/r/3.txt"
    assert after.pop(b"PYTEST_STATELESS_START") == b"None"
    assert after == {name: value for name, value in before.items() if name != b"PYTHONPATH"}


@pytest.mark.parametrize(
    ("words", "programs", "may"),
    [
        pytest.param([b"python3", b"-V"], (b"/usr/bin/python3",), True, id="python"),
        pytest.param(["uwsgi", "--wsgi-file", "shop.py"], ["uwsgi"], True, id="file-of-python"),
        pytest.param([b"sh", b"-c", b"flask run"], (b"/bin/sh",), True, id="shell"),
        pytest.param([b"env"], (b"/usr/local/bin/env", b"/usr/bin/env"), False, id="other-program"),
        pytest.param([b"/usr/bin/env", b"python", b"-V"], (b"/usr/bin/env",), True, id="python-by-env"),
        pytest.param([b"cat", b"copy.pyx"], (b"/bin/cat",), False, id="another-ending"),
        pytest.param([b"python3", b"-Wd", b"-I", b"a.py"], (b"/usr/bin/python3",), False, id="isolated"),
        pytest.param([b"python3", b"-W", b"-I", b"a.py"], (b"/usr/bin/python3",), True, id="a-value"),
        pytest.param([b"python3", b"-uXdev", b"-bE"], (b"/usr/bin/python3",), False, id="no-environment"),
        pytest.param([b"python3", b"-sS"], (b"/bin/none", b"/usr/bin/python3"), False, id="no-site"),
        pytest.param([b"python3", b"-cI"], (b"/usr/bin/python3",), True, id="text"),
        pytest.param([b"python3", b"a.py", b"-I"], (b"/usr/bin/python3",), True, id="the-programs-own"),
        pytest.param([b"python3", b"-", b"-I"], (b"/usr/bin/python3",), True, id="from-input"),
        pytest.param([b"sh", b"-E", b"a.py"], (b"/bin/sh",), True, id="option-of-a-shell"),
        pytest.param([b"/"], (b"/",), False, id="directory"),
        pytest.param([Path("odd")], [Path("odd")], False, id="no-text"),
    ],
)
def test_who_may_run_python(words: Any, programs: Any, may: bool) -> None:
    assert may_load_hook(words, programs) is may


def test_a_script_of_python_is_known_by_its_first_line(tmp_path: Path) -> None:
    script = tmp_path / "gunicorn"
    script.write_text("#!/srv/venv/bin/python3\nimport sys\n")
    other = tmp_path / "start"
    other.write_text("#!/usr/bin/perl\nprint 'python'\n")
    shell = tmp_path / "serve"
    shell.write_text("#!/usr/bin/env bash\nexec flask run\n")
    missing = bytes(tmp_path / "missing")
    assert may_load_hook([b"gunicorn"], (missing, bytes(script)))
    assert may_load_hook([b"serve"], (missing, bytes(shell)))
    assert not may_load_hook([b"start"], (missing, bytes(other)))


LOOK = """
import os, sys
print(sorted(os.environ), [entry for entry in sys.path if "pytest-stateless-" in entry])
"""
LOOKS = {
    "system": f"os.system('{sys.executable} look.py >> seen')",
    "empty-environment": "run(PYTHON, 'look.py', env={}, stdout=SEEN)",
    "isolated": "run(PYTHON, '-I', 'look.py', env={}, stdout=SEEN)",
    "exec": "fork(lambda: os.dup2(SEEN.fileno(), 1) and os.execve(PYTHON, [PYTHON, 'look.py'], {}))",
    "other-program": "run('env', '-0', stdout=SEEN)",
    "before": "run(PYTHON, 'relay.py', stdout=SEEN)",
}
RELAY = f"""
import os, subprocess, sys
subprocess.run([sys.executable, "look.py"])
subprocess.run([sys.executable, "look.py"], env={{}})
subprocess.run([sys.executable, "look.py"], env=dict(os.environ))
subprocess.run(["env", "-0"])
subprocess.run(["env", "-0"], close_fds=False)
subprocess.run([sys.executable, "-E", "-c", {LOOK!r}])
os.system("{sys.executable} look.py")
open("made", "w").close()
subprocess.run(["env", "-0"])
"""


@pytest.mark.parametrize("path", [None, "extra"])
def test_nobody_sees_the_hook_however_it_is_started(
    path: str | None, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", path + os.pathsep + os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "")
    project.write("look.py", LOOK)
    project.write("relay.py", RELAY)
    lines = "\n    ".join(LOOKS.values())
    for name, mark in (("plain", ""), ("checked", "@pytest.mark.stateless")):
        begin = "SEEN = open('seen', 'ab')\n    os.environ.pop('PYTEST_CURRENT_TEST')"
        text = f"{mark}\ndef test_{name}():\n    {begin}\n    {lines}\n"
        project.write(f"test_{name}.py", HEAD.replace("pytestmark", "unused") + text)
    seen = {}
    for name in ("plain", "checked"):
        project.run("-W", "ignore", "-s", f"test_{name}.py")
        seen[name] = (project.path / "seen").read_text()
        (project.path / "seen").unlink()
    assert seen["checked"] == seen["plain"]
    assert seen["plain"].count("\n") == 9
