"""Runs whole test suites with every test checked: ``python -m tests.suites flask``.

A leak that isn't named in the table, with the reason why it is true, fails the run: either the suite changed or the
plugin raises a false alarm.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.suites.run import Ran, build_wheel, run_suite
from tests.suites.table import SUITES


def main() -> int:
    """Run the suites that are named."""
    arguments = _arguments()
    names = list(SUITES) if "all" in arguments.suites else arguments.suites
    with tempfile.TemporaryDirectory() as temporary:
        wrong = _run(names, arguments, Path(arguments.keep or temporary).resolve())
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description=__doc__)
    parser.add_argument(
        "suites", nargs="+", choices=[*SUITES, "all"], metavar="suite", help=", ".join(SUITES)
    )
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs them")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="how many run at a time")
    parser.add_argument(
        "--keep",
        default=os.environ.get("STATELESS_SUITES"),
        metavar="DIR",
        help="where environments and reports stay for the next run; by default, what STATELESS_SUITES says",
    )
    return parser.parse_args()


def _run(names: list[str], arguments: argparse.Namespace, directory: Path) -> list[str]:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run([arguments.python, "-c", ask], capture_output=True, text=True, check=True)
    version = told.stdout.strip()
    wheel = build_wheel(directory / f"wheel-{version}")

    def run(name: str) -> Ran:
        hindrance = dict(SUITES[name].not_on).get(version)
        if hindrance is not None:
            return Ran([f"{name}: doesn't run on {version}: {hindrance}"], [])
        return run_suite(name, SUITES[name], wheel, arguments.python, directory / f"{name}-{version}")

    wrong = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for ran in pool.map(run, names):
            print(*ran.told, sep="\n", flush=True)
            wrong += ran.wrong
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
