"""Runs one suite in an environment of its own, and says what is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pytest_stateless.allowance import matches
from tests.suites.suite import Suite


class Ran(NamedTuple):
    """What came of a suite."""

    told: list[str]
    """A line for people each, the summary first."""
    wrong: list[str]


def run_suite(name: str, suite: Suite, wheel: Path, python: str, directory: Path) -> Ran:
    """Run one suite. What is in the directory already is used again."""
    interpreter = _environment(suite, wheel, python, directory)
    source = _source(suite, directory)
    report = directory / "leaks.json"
    report.unlink(missing_ok=True)
    deselected = [f"--deselect={test}" for test, _ in suite.without]
    done = subprocess.run(
        # The suites assert their outcomes: --stateless-no-fail leaves these alone.
        [
            *(
                interpreter,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--stateless",
                "--stateless-no-fail",
            ),
            *(f"--stateless-report=json:{report}", *deselected, *suite.arguments),
        ],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    (directory / "output.txt").write_text(done.stdout + done.stderr)
    if not report.exists():
        return Ran([f"{name}: no report"], [f"{name}: no report\n{done.stdout}{done.stderr}"])
    wrong = [f"{name}: tests failed\n{done.stdout[-5000:]}"] if done.returncode else []
    return _judged(name, suite, json.loads(report.read_text()), done.stdout.strip().splitlines()[-1], wrong)


def _judged(name: str, suite: Suite, found: dict[str, Any], summary: str, wrong: list[str]) -> Ran:
    if found["checked"] < suite.at_least:
        wrong.append(f"{name}: {found['checked']} tests were checked, not {suite.at_least}")
    told: list[str] = []
    explained = unexplained = warnings = 0
    for test in found["tests"]:
        wrong += [f"{name}: {test['nodeid']}: {error['traceback']}" for error in test["internal_errors"]]
        for leak in test["leaks"]:
            shown = f"{leak['rule']}:{leak['subject']}"
            reason = next((why for pattern, why in suite.true_leaks if matches(pattern, shown)), None)
            warned = leak["severity"] == "warning"
            said = reason or ("a warning" if warned else "NOT EXPLAINED")
            told.append(f"  {test['nodeid']}  {shown}  {leak['message']}  ({said})")
            if reason is None and warned:
                warnings += 1
            elif reason is None:
                unexplained += 1
                wrong.append(f"{name}: {test['nodeid']}: {shown} {leak['message']}")
            else:
                explained += 1
    told += [f"  no leak is like {pattern} this time" for pattern in _unused(suite, found)]
    counts = (
        f"{found['checked']} checked, {explained} leaks explained, {unexplained} not, {warnings} warnings"
    )
    return Ran([f"{name}: {summary.strip('= ')}; {counts}", *told], wrong)


def _unused(suite: Suite, found: dict[str, Any]) -> Iterator[str]:
    leaks = [f"{leak['rule']}:{leak['subject']}" for test in found["tests"] for leak in test["leaks"]]
    return (pattern for pattern, _ in suite.true_leaks if not any(matches(pattern, leak) for leak in leaks))


def build_wheel(directory: Path) -> Path:
    """Build the plugin: no suite should see the rest of this repository."""
    root = Path(__file__).resolve().parents[2]
    shutil.rmtree(directory, ignore_errors=True)
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", str(root), "-w", str(directory))
    (wheel,) = directory.glob("*.whl")
    return wheel


def _environment(suite: Suite, wheel: Path, python: str, directory: Path) -> str:
    interpreter = str(directory / "venv" / "bin" / "python")
    # This interpreter's pip works for all: that of a new one may be none or one that doesn't run there.
    install = (sys.executable, "-m", "pip", "--python", interpreter, "install", "-q")
    wanted = hashlib.sha256("\n".join(suite.requirements).encode()).hexdigest()
    installed = directory / "installed"
    if not installed.exists() or installed.read_text() != wanted:
        shutil.rmtree(directory / "venv", ignore_errors=True)
        _run(python, "-m", "venv", "--without-pip", str(directory / "venv"))
        _run(*install, str(wheel), *suite.requirements)
        installed.write_text(wanted)
    else:
        _run(*install, "--no-deps", "--force-reinstall", str(wheel))
    return interpreter


def _source(suite: Suite, directory: Path) -> Path:
    """A fresh copy of the suite: running it may leave files behind."""
    source = directory / "source"
    shutil.rmtree(source, ignore_errors=True)
    if suite.project:
        shutil.copytree(suite.project, source / suite.project.name)
    else:
        with tarfile.open(_sdist(suite.requirements[0], directory / "sdist")) as file:
            file.extractall(source, filter="data")
    (project,) = source.iterdir()
    return project


def _sdist(requirement: str, directory: Path) -> Path:
    name, _, version = requirement.replace("-", "_").partition("==")  # as files are named, PEP 625
    if not list(directory.glob(f"{name}-{version}.tar.gz")):
        command = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:")
        _run(*command, requirement, "-d", str(directory))
    (archive,) = directory.glob(f"{name}-{version}.tar.gz")
    return archive


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
