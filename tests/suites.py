"""Runs the whole test suites of well-kept libraries with every test checked: ``python -m tests.suites flask``.

A leak that isn't named here, with the reason why it is true, fails the run: either the library's suite changed or the
plugin raises a false alarm.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

from pytest_stateless.allowance import matches

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Suite:
    """A library's release, what its suite needs, and what it truly leaves behind."""

    requirements: tuple[str, ...]
    """The first is the library itself, with its version."""
    true_leaks: tuple[tuple[str, str], ...] = ()
    """``rule:subject-pattern`` with the reason."""
    at_least: int = 1
    """How many tests must have been checked for the run to mean anything."""


SUITES = {
    "flask": Suite(
        ("flask==3.1.3", "flask[async,dotenv]==3.1.3", "click==8.1.8", "werkzeug==3.1.3", "pytest==8.4.2"),
        (
            (
                "module-state:sys.path",
                "prepare_import() and the commands put the application's directory on the path",
            ),
        ),
        at_least=480,
    ),
    "itsdangerous": Suite(
        ("itsdangerous==2.2.0", "freezegun==1.5.5", "pytest==8.4.2"),
        (
            (
                "module-state:time.clock",
                "freezegun, which the suite uses, sets time.clock to None and leaves it there",
            ),
        ),
        at_least=290,
    ),
}


def run_suite(name: str, suite: Suite, directory: Path) -> list[str]:
    """Run one suite; returns what is wrong."""
    python = _environment(suite, directory)
    source = _source(suite.requirements[0], python, directory)
    report = directory / "leaks.json"
    # The suites' own leftovers of failing are no matter of ours: --stateless-no-fail leaves their outcomes alone.
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "--stateless",
        "--stateless-no-fail",
        f"--stateless-report=json:{report}",
    ]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    print(f"{name}: {done.stdout.strip().splitlines()[-1]}")
    if not report.exists():
        return [f"{name}: no report\n{done.stdout}{done.stderr}"]
    found = json.loads(report.read_text())
    wrong = []
    if found["checked"] < suite.at_least:
        wrong.append(
            f"{name}: {found['checked']} tests were checked, not {suite.at_least}\n{done.stdout[-3000:]}"
        )
    for test in found["tests"]:
        wrong += [f"{name}: {test['nodeid']}: {error['traceback']}" for error in test["internal_errors"]]
        for leak in test["leaks"]:
            shown = f"{leak['rule']}:{leak['subject']}"
            reason = next((why for pattern, why in suite.true_leaks if matches(pattern, shown)), None)
            print(f"  {test['nodeid']}  {shown}  {leak['message']}  ({reason or 'NOT EXPLAINED'})")
            if reason is None:
                wrong.append(f"{name}: {test['nodeid']}: {shown} {leak['message']}")
    return wrong


def _environment(suite: Suite, directory: Path) -> str:
    venv.create(directory / "venv", with_pip=True)
    python = str(directory / "venv" / "bin" / "python")
    _run(python, "-m", "pip", "install", "-q", str(ROOT), *suite.requirements)
    return python


def _source(requirement: str, python: str, directory: Path) -> Path:
    sdists = directory / "sdist"
    _run(
        python,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
        requirement,
        "-d",
        str(sdists),
    )
    (archive,) = sdists.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(directory / "source", filter="data")
    (source,) = (directory / "source").iterdir()
    return source


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> int:
    """Run the suites that are named, all of them by default."""
    wrong = []
    for name in sys.argv[1:] or list(SUITES):
        with tempfile.TemporaryDirectory() as directory:
            wrong += run_suite(name, SUITES[name], Path(directory))
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
