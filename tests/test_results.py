"""What a person and a program read at the end of a run: sections, summary, report files, unused allowances."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.leak import Leak
from pytest_stateless.reports.session import PutBack
from pytest_stateless.results import Results
from pytest_stateless.settings import settings_of

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.own_memory

SHOP = """
from pathlib import Path
LEFT = []
def test_a(): LEFT.append(1)
def test_b(): pass
def test_c():
    LEFT.append(1)
    Path("receipt.txt").write_text("tea")
"""

# ------------------------------------------------------------------------------------------------- the terminal


def test_the_end_of_the_run_counts_leaks_per_rule(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    project.run("--stateless").stdout.fnmatch_lines(
        [
            "*= stateless =*",
            "3 leaks in 2 tests: 1 file-write, 2 module-state",
            "*= short test summary info =*",
        ]
    )


def test_a_clean_run_says_nothing(project: Project) -> None:
    project.write("test_shop.py", "def test_a(): pass\n")
    project.run("--stateless").stdout.no_fnmatch_line("*= stateless =*")


@pytest.mark.parametrize(
    ("options", "shown", "hidden"),
    [
        pytest.param(["-q"], ["3 leaks in *", "test_shop.py::test_a left *"], ["* checked"], id="q"),
        pytest.param(["-qq"], ["test_shop.py::test_a left *"], ["3 leaks in *"], id="qq"),
        pytest.param(["-v"], ["test_shop.py::test_a FAILED *", "3 leaks in *", "3 checked"], [], id="v"),
        pytest.param(
            ["--tb=line"],
            ["left 1 thing behind: module-state test_shop.LEFT", "3 leaks in *"],
            ["test_shop.py::test_a left *"],
            id="tb-line",
        ),
        pytest.param(
            ["--tb=no"],
            ["3 leaks in *", "FAILED test_shop.py::test_a - left 1 thing behind: *"],
            ["test_shop.py::test_a left *"],
            id="tb-no",
        ),
        pytest.param(["--tb=short"], ["test_shop.py::test_a left *"], [], id="tb-short"),
        pytest.param(["--tb=native"], ["test_shop.py::test_a left *"], [], id="tb-native"),
        pytest.param(["-rN"], ["test_shop.py::test_a left *"], ["FAILED *"], id="no-summary"),
        pytest.param(["--no-summary"], ["* 2 failed, 1 passed *"], ["3 leaks in *"], id="nothing-at-all"),
    ],
)
def test_pytests_own_options_hold(
    options: list[str], shown: list[str], hidden: list[str], project: Project
) -> None:
    project.write("test_shop.py", SHOP)
    result = project.run("--stateless", *options)
    for line in shown:
        result.stdout.fnmatch_lines([line])
    for line in hidden:
        result.stdout.no_fnmatch_line(line)


@pytest.mark.parametrize("color", ["yes", "no"])
def test_colours_are_pytests(color: str, project: Project) -> None:
    project.write("test_shop.py", SHOP)
    text = project.run("--stateless", f"--color={color}").stdout.str()
    assert ("\x1b[" in text) is (color == "yes")
    assert ("\x1b[31mmodule-state  \x1b[0m\x1b[1mtest_shop.LEFT\x1b[0m" in text) is (color == "yes")
    assert ("\x1b[31m3 leaks in 2 tests\x1b[0m: 1 file-write" in text) is (color == "yes")


def test_there_is_no_colour_where_there_is_no_terminal(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    assert "\x1b" not in project.run("--stateless").stdout.str()


# -------------------------------------------------------------------------------------------- unused allowances

UNUSED = """
import pytest
LEFT = []
pytestmark = pytest.mark.stateless(allow=["module-state:test_shop.LEFT", "file-write:module.txt"])
def test_a(): LEFT.append(1)
@pytest.mark.stateless(allow="file-write:function.txt")
@pytest.mark.parametrize("n", [1, 2])
def test_b(n): pass
"""
INI = "[pytest]\nstateless_allow = file-write:ini.txt -- once\n"
NAMED = [
    "unused allowance: file-write:ini.txt (pytest.ini: stateless_allow) matched nothing; remove it",
    "unused allowance: file-write:line.txt (--stateless-allow) matched nothing; remove it",
    "unused allowance: file-write:module.txt (test_shop.py) matched nothing; remove it",
    "unused allowance: file-write:function.txt (test_shop.py::test_b) matched nothing; remove it",
]


def _unused(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("unused allowance")]


def test_allowances_that_matched_nothing_are_named_once_with_their_place(project: Project) -> None:
    project.write("pytest.ini", INI)
    project.write("test_shop.py", UNUSED)
    result = project.run("--stateless-allow=file-write:line.txt", "--stateless-report=json:leaks.json")
    assert result.ret == 0
    assert sorted(_unused(result)) == sorted(NAMED)
    assert {one["allowance"]: one["where"] for one in project.report()["unused_allowances"]} == {
        "file-write:ini.txt": "pytest.ini: stateless_allow",
        "file-write:line.txt": "--stateless-allow",
        "file-write:module.txt": "test_shop.py",
        "file-write:function.txt": "test_shop.py::test_b",
    }


@pytest.mark.slow
def test_they_are_the_same_under_xdist(project: Project) -> None:
    project.write("pytest.ini", INI)
    project.write("test_shop.py", UNUSED)
    result = project.run_apart("-p", "xdist", "-n", "2", "--stateless-allow=file-write:line.txt")
    assert sorted(_unused(result)) == sorted(NAMED)


@pytest.mark.parametrize(
    "options",
    [
        ["-k", "test_b"],
        ["-m", "stateless"],
        ["test_shop.py"],
        ["test_shop.py::test_b"],
        ["--deselect=test_shop.py::test_a"],
        ["--lf"],
        ["--stepwise"],
    ],
    ids=" ".join,
)
def test_a_partial_run_names_none(options: list[str], project: Project) -> None:
    project.write("pytest.ini", INI)
    project.write("test_shop.py", UNUSED)
    result = project.run(*options)
    assert result.ret == 0
    assert _unused(result) == []


@pytest.mark.parametrize(
    ("more", "options"),
    [
        pytest.param("def test_z(): assert 0\n", ["-x"], id="x"),
        pytest.param("def test_z(): assert 0\n", ["--maxfail=1"], id="maxfail"),
        pytest.param("def test_z(): pytest.exit('enough')\n", [], id="exit"),
    ],
)
def test_a_run_that_was_stopped_names_none(more: str, options: list[str], project: Project) -> None:
    project.write("pytest.ini", INI)
    project.write("test_shop.py", UNUSED + more)
    assert _unused(project.run(*options)) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("def test_b():\n    pytest.skip('no')", id="skip"),
        pytest.param("@pytest.mark.skip\ndef test_b(): pass", id="skip-mark"),
        pytest.param("def test_b(): assert 0", id="failure"),
        pytest.param("@pytest.mark.xfail\ndef test_b(): assert 0", id="xfail"),
    ],
)
def test_the_allowance_of_a_test_that_was_cut_short_is_not_called_unused(text: str, project: Project) -> None:
    project.write("pytest.ini", INI)
    project.write(
        "test_shop.py",
        f"import pytest\npytestmark = pytest.mark.stateless(allow='file-write:a')\ndef test_a(): pass\n{text}\n",
    )
    assert _unused(project.run()) == NAMED[:1]


def test_a_run_without_a_checked_test_names_none(project: Project) -> None:
    project.write("pytest.ini", INI)
    project.write("test_shop.py", "def test_a(): pass\n")
    assert _unused(project.run()) == []


# -------------------------------------------------------------------------------------------------------- files


def test_a_json_report_of_a_clean_run_is_whole(project: Project) -> None:
    project.write("test_shop.py", "def test_a(): pass\n")
    project.run("--stateless-report=json:var/new/leaks.json")
    assert project.report("var/new/leaks.json") == {
        "format": 1,
        "tool": "pytest-stateless",
        "checked": 0,
        "counts": {},
        "warnings": {},
        "tests": [],
        "unused_allowances": [],
        "ports": [],
        "transient": [],
        "transient_left_out": 0,
        "notices": [],
    }


def test_a_json_report_says_everything(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    project.run("--stateless", "--stateless-report=json:leaks.json")
    report = project.report()
    assert (report["checked"], report["counts"]) == (3, {"file-write": 1, "module-state": 2})
    (first, second) = report["tests"]
    assert (first["nodeid"], first["file"], first["line"]) == ("test_shop.py::test_a", "test_shop.py", 4)
    assert second["leaks"][1] == {
        "rule": "file-write",
        "subject": "receipt.txt",
        "message": "created",
        "origin": {"file": "test_shop.py", "line": 8, "function": "test_c"},
        "owner": "application",
        "request": None,
        "chain": [],
        "note": None,
        "severity": "error",
        "why": None,
        "fingerprint": second["leaks"][1]["fingerprint"],
    }


def test_a_report_of_each_format_may_be_asked_for_in_one_run(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    result = project.run(
        "--stateless", "--stateless-report=json:leaks.json", "--stateless-report=github:notes.txt"
    )
    assert len(project.report()["tests"]) == 2
    at = "::error file=test_shop.py,"
    assert project.path.joinpath("notes.txt").read_text("utf-8").splitlines() == [
        f"{at}line=4,title=module-state::test_shop.py::test_a left behind: test_shop.LEFT  added item: int",
        f"{at}line=7,title=module-state::test_shop.py::test_c left behind: test_shop.LEFT  added item: int",
        f"{at}line=8,title=file-write::test_shop.py::test_c left behind: receipt.txt  created",
    ]
    result.stdout.no_fnmatch_line("::error*")


def test_a_path_of_a_minus_is_standard_output(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    result = project.run("--stateless", "--stateless-report=github:-", "--stateless-report=json:-")
    result.stdout.fnmatch_lines(
        ["::error file=test_shop.py,line=4,title=module-state::*", "{", '  "format": 1,', "}"]
    )
    assert not project.path.joinpath("-").exists()


@pytest.mark.parametrize(
    ("value", "options", "annotations"),
    [
        pytest.param("true", [], 3, id="set"),
        pytest.param("", [], 0, id="empty"),
        pytest.param("true", ["--stateless-report=github:-"], 3, id="asked-for-too"),
        pytest.param("true", ["--stateless-report=github:notes.txt"], 0, id="into-a-file"),
        pytest.param("true", ["--stateless-report=json:leaks.json"], 3, id="beside-another"),
        pytest.param("true", ["--stateless-off"], 0, id="off"),
    ],
)
def test_github_actions_gets_its_annotations_by_itself(
    value: str, options: list[str], annotations: int, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    project.write("test_shop.py", SHOP)
    result = project.run("--stateless", *options)
    assert sum(line.startswith("::error ") for line in result.outlines) == annotations


def test_why_a_state_of_the_interpreter_matters_is_told_in_detail_and_in_json(project: Project) -> None:
    project.write(
        "test_umask.py", "import os, random\ndef test_a(): os.umask(os.umask(0) ^ 4); random.random()\n"
    )
    umask, drawn = (
        "files made from now on get other permissions",
        "later requests draw other numbers than in a process that did not",
    )
    result = project.run("--stateless", "-v", "--stateless-report=json:leaks.json")
    result.stdout.fnmatch_lines([f"*   why: {umask}", f"  why: {drawn}"])
    assert [leak["why"] for leak in project.report()["tests"][0]["leaks"]] == [umask, drawn]
    project.run("--stateless").stdout.no_fnmatch_line("*why: *")


def test_what_fails_nothing_is_a_warning_on_github(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    project.run("--stateless", "--stateless-no-fail", "--stateless-report=github:notes.txt")
    lines = project.path.joinpath("notes.txt").read_text("utf-8").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::warning"] * 3


@pytest.mark.slow
def test_reports_and_annotations_are_equal_under_xdist(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    for name, options in (("alone", ()), ("spread", ("-p", "xdist", "-n", "2"))):
        project.path.joinpath("receipt.txt").unlink(missing_ok=True)
        project.run_apart(
            "--stateless",
            f"--stateless-report=json:{name}.json",
            f"--stateless-report=github:{name}.txt",
            *options,
        )
    for suffix in (".json", ".txt"):
        alone, spread = (project.path.joinpath(name + suffix).read_bytes() for name in ("alone", "spread"))
        assert alone == spread
    assert len(project.report("alone.json")["tests"]) == 2


@pytest.mark.parametrize(
    ("text", "code"), [("def test_a(): pass", 4), ("def test_a(): assert 0", 1)], ids=["clean", "failed"]
)
def test_a_report_that_cannot_be_written_is_said_and_fails_the_run(
    text: str, code: int, project: Project
) -> None:
    project.write("test_shop.py", text)
    project.write("var", "a file")
    result = project.run("--stateless", "--stateless-report=json:var/leaks.json")
    assert result.ret == code
    result.stdout.fnmatch_lines(["cannot write --stateless-report=json:*var/leaks.json: *"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_report_that_cannot_be_written_is_said_to_the_quiet_too(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    project.write("var", "a file")
    result = project.run("--stateless", "-qq", "--stateless-report=json:var/leaks.json")
    result.stdout.fnmatch_lines(["cannot write *"])


def test_a_path_that_is_none_is_said_too(project: Project) -> None:
    project.write("test_shop.py", "def test_a(): pass\n")
    project.write("pyproject.toml", '[tool.pytest.ini_options]\nstateless_report = ["json:a\\u0000b"]\n')
    result = project.run("--stateless")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["cannot write --stateless-report=json:*: *null byte*"])


# ------------------------------------------------------------------------------------------------- hostile text

HOSTILE = r"""
import os
LEFT = {}
def test_a():
    LEFT["k\n::error::x\x1b[31m%0A<b>&\u202e\udcff"] = 1
    with open(b"f\n::error file=x::y\x1b]0;t\x07%0A<b>&\xff,z", "w"):
        pass
"""


@pytest.fixture
def hostile(project: Project) -> Project:
    project.write("test_shop.py", HOSTILE)
    try:
        Path(os.fsdecode(os.fsencode(project.path) + b"/probe\xff")).touch()
    except (OSError, ValueError):
        pytest.skip("the file system takes no such name")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("where", [(), ("-p", "xdist", "-n", "1")], ids=["one-process", "xdist"])
def test_hostile_text_comes_out_inert_everywhere(where: tuple[str, ...], hostile: Project) -> None:
    result = hostile.run_apart(
        *("--stateless", "--junitxml=junit.xml", "--stateless-report=json:leaks.json"),
        *("--stateless-report=github:notes.txt", "--stateless-report=github:-", *where),
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    output = result.stdout.str()
    assert not {character for character in output if character != "\n" and not character.isprintable()}
    result.stdout.fnmatch_lines(
        [
            r"module-state  test_shop.LEFT[[]'k\n::error::x\x1b[[]31m%0A<b>&\u202e\udcff'[]]  added: int",
            r"file-write    f\n::error file=x::y\x1b[]]0;t\x07%0A<b>&\udcff,z  created",
        ]
    )
    commands = [line for line in result.outlines if line.lstrip().startswith("::")]
    notes = hostile.path.joinpath("notes.txt").read_text("utf-8").splitlines()
    assert commands == notes
    assert [line.partition("::test_shop.py::test_a left behind: ")[0] for line in notes] == [
        "::error file=test_shop.py,line=5,title=module-state",
        "::error file=test_shop.py,line=6,title=file-write",
    ]
    assert all("%0A" not in line.replace("%250A", "") for line in notes)


@pytest.mark.slow
def test_programs_get_hostile_text_as_it_is(hostile: Project) -> None:
    hostile.run_apart("--stateless", "--junitxml=junit.xml", "--stateless-report=json:leaks.json")
    raw = hostile.path.joinpath("leaks.json").read_bytes()
    assert raw.isascii()
    (test,) = hostile.report()["tests"]
    key, file = (leak["subject"] for leak in test["leaks"])
    assert file == "f\n::error file=x::y\x1b]0;t\x07%0A<b>&\udcff,z"
    assert key == r"test_shop.LEFT['k\n::error::x\x1b[31m%0A<b>&\u202e\udcff']"
    (case,) = ET.parse(hostile.path / "junit.xml").getroot()[0]
    values = [leak.get("value") for leak in case[0]]
    assert (
        values[1] == r"f\n::error file=x::y\x1b]0;t\x07%0A<b>&\udcff,z  created by test_shop.py:6 in test_a"
    )


_EMPTY = {"leaks": [], "errors": [], "used": [], "ports": [], "put_back": [], "left_out": 0, "notices": []}


def carrying(**told: Any) -> Any:
    """A report that carries this."""
    payload = json.dumps({**_EMPTY, "allowances": [["module-state:shop.*", "ini"]], **told})
    return SimpleNamespace(
        stateless=payload, nodeid="t", location=("t.py", 1, "t"), longrepr=None, when="call", outcome="passed",
        failed=False, skipped=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        pytest.param({}, (0, 0, 0), id="clean"),
        pytest.param({"leaks": [Leak("file-write", "a", "created").to_dict()]}, (2, 0, 0), id="leak"),
        pytest.param({"errors": [{"detector": "thread", "traceback": "x"}]}, (2, 0, 0), id="error"),
        pytest.param(
            {"put_back": [PutBack("a", "created and gone again", "t", None, None).to_dict()]},
            (0, 2, 0),
            id="put-back",
        ),
        pytest.param({"left_out": 3}, (0, 0, 6), id="left-out"),
    ],
)
def test_what_two_reports_carry_alike_is_counted_of_each(
    told: dict[str, Any], counted: tuple[int, int, int], pytestconfig: pytest.Config
) -> None:
    results = Results(pytestconfig, settings_of(pytestconfig))
    for _ in range(2):
        results.take(carrying(**told))
    found = results.session_leaks()
    assert found.checked == 2
    assert (len(found.tests), len(found.put_back), found.left_out) == counted


def test_a_clean_report_that_tells_something_new_is_read(pytestconfig: pytest.Config) -> None:
    results = Results(pytestconfig, settings_of(pytestconfig))
    results.take(carrying())
    results.take(carrying(allowances=[["module-state:cart.*", "ini"]]))
    assert [text for text, _ in results._allowances] == ["module-state:shop.*", "module-state:cart.*"]


def test_what_a_test_does_to_json_spoils_no_report(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import json
        def test_separators(): json.JSONEncoder.item_separator = ";"
        def test_functions(): json.dumps = json.loads = json.dump = json.load = None
        """,
    )
    result = project.run_apart(
        *("--stateless", "--stateless-no-blame", "--stateless-scope=all"),
        *("-p", "no:cacheprovider", "--stateless-report=json:leaks.json"),
    )
    result.assert_outcomes(failed=2)
    subjects = [leak["subject"] for test in project.report()["tests"] for leak in test["leaks"]]
    assert "json.encoder.JSONEncoder.item_separator" in subjects
    assert "json.dumps" in subjects
