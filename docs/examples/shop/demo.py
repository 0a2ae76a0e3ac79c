"""Run the same tests on the shop that leaks and on the shop that doesn't, and show what pytest says.

python demo.py             the clean run uses SQLite, or the PostgreSQL that DATABASE_URL names
python demo.py --postgres  and once more with a PostgreSQL that is started for it
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import postgres

HERE = Path(__file__).parent
RULES = ["module-state", "file-write", "listening-socket"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the same tests on the leaky and on the stateless shop.")
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL and run on it as well")
    arguments = parser.parse_args()
    # An exception, so that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    leaky_fails()
    stateless_passes("PostgreSQL" if "DATABASE_URL" in os.environ else "SQLite")
    if arguments.postgres:
        with postgres.server() as url:
            stateless_passes("PostgreSQL", DATABASE_URL=url)
    return 0


def leaky_fails() -> None:
    heading("The leaky shop: carts and logins in memory, receipts on the disk, metrics on a port")
    try:
        status, report = run_tests("leaky")
    finally:
        shutil.rmtree(HERE / "leaky" / "var", ignore_errors=True)
    missing = [rule for rule in RULES if rule not in report]
    if status != 1 or missing:
        sys.exit(f"Expected failing tests and all of {', '.join(RULES)}; pytest exited with {status}")


def stateless_passes(database: str, **environment: str) -> None:
    heading(f"The stateless shop: carts and logins in the visitor's cookie, orders in {database}")
    status, _ = run_tests("stateless", **environment)
    if status != 0:
        sys.exit(f"Expected every test to pass; pytest exited with {status}")


def heading(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def run_tests(version: str, **environment: str) -> tuple[int, str]:
    """Run pytest on this version of the shop, print what it says, and return its exit status and output."""
    # Options and annotations of a run around this one are not for the runs that are shown here.
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "GITHUB_ACTIONS": "", **environment}
    color = "yes" if sys.stdout.isatty() else "no"
    command = [sys.executable, "-m", "pytest", "-o", f"pythonpath={version}", f"--color={color}"]
    finished = subprocess.run(command, cwd=HERE, env=environment, text=True, stdout=subprocess.PIPE)
    print(finished.stdout, flush=True)
    return finished.returncode, finished.stdout


if __name__ == "__main__":
    try:
        sys.exit(main())
    except postgres.UnavailableError as error:
        sys.exit(str(error))
