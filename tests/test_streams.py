"""What a run itself writes to while tests run is no file of the program's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_stateless.streams import files_of, identities_of


def test_only_regular_files_that_are_open_are_named(tmp_path: Path) -> None:
    with (tmp_path / "out.txt").open("w") as file:
        reader, writer = os.pipe()
        os.close(writer)
        assert list(files_of((file.fileno(), reader, writer))) == [os.path.realpath(file.name)]
        os.close(reader)
        assert list(files_of((reader,))) == []


def test_what_descriptors_lead_to_is_told_without_those_that_are_closed() -> None:
    reader, writer = os.pipe()
    pipe = os.fstat(reader)
    os.close(writer)
    assert identities_of((reader, writer)) == {(pipe.st_dev, pipe.st_ino)}
    os.close(reader)
    assert identities_of((reader, writer)) == frozenset()


LOGS = """
import logging
from pathlib import Path
import pytest

LOG = open("app.log", "a")

@pytest.mark.stateless
def test_prints_and_logs(capsys):
    logging.getLogger("shop").warning("sold")
    print("in the capture")
    with capsys.disabled():
        print("past the capture", flush=True)

@pytest.mark.stateless
def test_writes_a_log_of_its_own():
    print("sold", file=LOG, flush=True)
"""


@pytest.mark.parametrize("capture", [(), ("-s",), ("-n", "1")], ids=["captured", "not-captured", "xdist"])
def test_the_log_and_the_output_of_the_run_are_no_leaks(
    pytester: pytest.Pytester, capture: tuple[str, ...]
) -> None:
    pytester.makepyfile(LOGS)
    pytester.makeini("[pytest]\nlog_file = pytest.log\nlog_file_level = INFO\n")
    # pytester sends the child's output into files of the project.
    result = pytester.runpytest_subprocess(*capture, "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["file-write  app.log  modified through a descriptor opened before*"])
    assert "file-write  stdout" not in result.stdout.str()
    assert "sold" in (pytester.path / "pytest.log").read_text() or capture == ("-n", "1")
