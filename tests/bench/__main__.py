"""Prints what the plugin costs on this machine: medians and ratios of paired runs.

Runs are paired and take turns, so that what else the machine does falls on both; the median of the pairs counts. Whole
runs are measured in CPU time, single steps by the clock.
"""

from __future__ import annotations

import argparse
import platform
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.alternatives import alternatives
from tests.bench.applications import installed
from tests.bench.detectors import detectors
from tests.bench.files import files
from tests.bench.memory import memory
from tests.bench.runs import marked, requests, start_up, unmarked
from tests.bench.secrets import secrets
from tests.bench.synthetic import synthetic

APPLICATIONS: dict[str, Callable[[Path, str, str], None]] = {
    "memory": memory,
    "marked": marked,
    "requests": requests,
    "secrets": secrets,
}
WHOLE: dict[str, Callable[[Path], None]] = {
    "detectors": detectors,
    "synthetic": lambda _: synthetic(),
    "files": files,
    "alternatives": alternatives,
    "unmarked": unmarked,
    "start-up": start_up,
}


def main() -> None:
    """Measure everything, or what is named."""
    parser = argparse.ArgumentParser(prog="tests.bench")
    every = [*APPLICATIONS, *WHOLE]
    parser.add_argument("what", nargs="*", default=every, help=f"of {', '.join(every)}; all by default")
    wanted = parser.parse_args().what
    print(f"CPython {platform.python_version()}, {_processor()}, {platform.system()} {platform.release()}")
    if any(name in APPLICATIONS for name in wanted):
        for name, source in installed().items():
            for label in APPLICATIONS:
                if label in wanted:
                    _in_a_directory(APPLICATIONS[label], name, source)
    for label in WHOLE:
        if label in wanted:
            _in_a_directory(WHOLE[label])


def _in_a_directory(step: Callable[..., None], *arguments: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        step(Path(directory), *arguments)


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


if __name__ == "__main__":
    main()
