"""Sums up a run of tox in one line, `N passed, N failed`, from the file that `--result-json` wrote."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# pytest's last line: `=== 1 failed, 41 passed in 2.05s ===`, without the rule in quiet runs.
CLOSING = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in \d[\d.]*s", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|error)")


def tests(output: str) -> Counter[str]:
    """What pytest counted, by outcome; nothing when it didn't come to its last line."""
    counted: Counter[str] = Counter()
    for line in CLOSING.findall(ANSI.sub("", output))[-1:]:
        for number, outcome in COUNT.findall(line):
            counted["passed" if outcome == "passed" else "failed"] += int(number)
    return counted


def environment(found: dict[str, Any]) -> Counter[str]:
    """The tests of one environment; one that failed in another way (style, set-up) counts as one failure."""
    counted: Counter[str] = Counter()
    for command in found.get("test", []):
        if "pytest" in (Path(word).name for word in command["command"]):
            counted += tests(command["output"])
    if not found["result"]["success"] and not counted["failed"]:
        counted["failed"] += 1
    return counted


def main(path: Path) -> int:
    """Print the line; exit code 1 when something failed or when nothing was tested."""
    counted: Counter[str] = Counter()
    environments = json.loads(path.read_text(encoding="utf-8"))["testenvs"] if path.exists() else {}
    for found in environments.values():
        if "result" in found:
            counted += environment(found)
    if not environments:
        counted["failed"] += 1
    print(f"{counted['passed']} passed, {counted['failed']} failed")
    return 0 if counted["passed"] and not counted["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
