"""Every example in the README and the docs is run: what is said to pass passes, what is said to leak leaks.

A Python block needs a comment on the line before it:

    <!-- test: passes -->
    <!-- test: leaks RULE[ RULE] -->
    <!-- test: skip REASON -->

`passes RULE` is said of a test that passes although a leak is reported. `with OPTIONS` at the end of the first two
gives pytest command line options. A block whose first line is `# test_name.py` is saved under that name. A text block
after `<!-- test: output -->` shows lines of what the Python block above it prints, in order; `...`
in it stands for any text.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_stateless.detectors import RULES
from pytest_stateless.options import OPTIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("*/*.md")))
RULE_IDS = frozenset(rule.id for rule in RULES)

FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+|~~~+) *(?P<language>.*)")
MARKER = re.compile(
    r" *<!-- test: (?P<verdict>passes|leaks|skip|output)(?: (?!with )(?P<words>.*?))?(?: with (?P<options>.*))? -->"
)
FILE_NAME = re.compile(r"# (test_\w+\.py)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is written in, where it stands and what the comment before it says."""

    place: str
    language: str
    marker: str
    text: str


@dataclass(frozen=True)
class Example:
    """A Python block with what must come of it. An empty verdict is the mistake of having none."""

    place: str
    text: str
    verdict: str
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


def blocks(page: str, text: str) -> Iterator[Block]:
    """The fenced blocks of a page of Markdown."""
    above, lines = "", enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if opening := FENCE.match(line):
            closing = opening["indent"] + opening["ticks"]
            inner = []
            for _, body in lines:
                if body.rstrip() == closing:
                    break
                inner.append(body)
            body = textwrap.dedent("\n".join(inner)) + "\n"
            yield Block(f"{page}:{number}", opening["language"], above, body)
            above = ""
        elif line.strip():
            above = line


def examples(page: str, text: str) -> list[Example]:
    """The Python blocks of a page, each with the output that is shown for it."""
    found: list[Example] = []
    for block in blocks(page, text):
        marker = MARKER.fullmatch(block.marker.rstrip())
        verdict = marker["verdict"] if marker else ""
        if "python" in block.language or verdict in {"passes", "leaks", "skip"}:
            found.append(example(block, marker))
        elif verdict == "output" and found:
            found[-1] = replace(found[-1], shown=tuple(filter(str.strip, block.text.splitlines())))
    return found


def example(block: Block, marker: re.Match[str] | None) -> Example:
    """One Python block; only a verdict about running makes sense for it."""
    if not marker or marker["verdict"] == "output" or block.language != "python":
        return Example(block.place, block.text, verdict="")
    return Example(
        block.place,
        block.text,
        marker["verdict"],
        tuple((marker["words"] or "").split()),
        tuple(shlex.split(marker["options"] or "")),
    )


def everywhere() -> list[Example]:
    return [
        found
        for page in PAGES
        for found in examples(page.relative_to(ROOT).as_posix(), page.read_text("utf-8"))
    ]


EXAMPLES = [pytest.param(found, id=found.place) for found in everywhere()]


def rules_in(output: str) -> set[str]:
    """The rules that head a line of a report."""
    return {rule for rule in RULE_IDS if re.search(rf"^{rule}\s", output, re.MULTILINE)}


def literally(line: str) -> str:
    """The pattern of a whole line that is shown, in which `...` stands for what differs from run to run."""
    return ".*".join(map(re.escape, line.split("..."))) + "$"


@pytest.mark.parametrize("found", EXAMPLES)
def test_an_example_says_what_must_come_of_it(found: Example) -> None:
    assert found.verdict, f"{found.place}: a python block needs a line `<!-- test: ... -->` before it"
    assert found.verdict == "skip" or set(found.words) <= RULE_IDS, f"{found.place}: the rules are {RULE_IDS}"
    assert found.verdict == "passes" or found.words, f"{found.place}: which rules, or why skipped?"


@pytest.mark.slow
@pytest.mark.parametrize("found", EXAMPLES)
def test_an_example_does_what_the_page_says(
    found: Example, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    if found.verdict == "skip":
        pytest.skip(" ".join(found.words))
    if found.place.startswith("docs/frameworks/") and os.environ.get("STATELESS_CLIENTS") != "1":
        pytest.skip("needs the frameworks: tox run -e clients")
    # The width of the lines that are shown.
    monkeypatch.setenv("COLUMNS", "80")
    name = FILE_NAME.match(found.text)
    pytester.path.joinpath(name[1] if name else "test_example.py").write_text(found.text, "utf-8")
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *found.options)
    outcomes, output = result.parseoutcomes(), result.stdout.str()
    exit_code, outcome = {
        "passes": (pytest.ExitCode.OK, "passed"),
        "leaks": (pytest.ExitCode.TESTS_FAILED, "failed"),
    }[found.verdict]
    assert result.ret == exit_code
    assert outcomes.get(outcome)
    assert "errors" not in outcomes
    assert rules_in(output) == set(found.words)
    result.stdout.re_match_lines([literally(line) for line in found.shown])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_options_in_an_example_of_configuration_exist(page: Path) -> None:
    known = {option.ini for option in OPTIONS}
    for block in blocks(page.name, page.read_text("utf-8")):
        if block.language == "toml":
            pytest_table = tomllib.loads(block.text).get("tool", {}).get("pytest", {})
            keys = {**pytest_table, **pytest_table.get("ini_options", {})}
            assert {key for key in keys if key.startswith("stateless")} <= known, block.place


def test_there_are_examples_of_each_verdict() -> None:
    assert {"passes", "leaks"} <= {found.verdict for found in everywhere()}


def test_the_headings_of_the_page_of_rules_are_the_rules() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "docs/rules.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(RULE_IDS)


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        pytest.param("<!-- test: passes -->\n```python\n```", ["passes"], id="passes"),
        pytest.param("<!-- test: passes -->\n\n```python\n```", ["passes"], id="empty-line-between"),
        pytest.param("<!-- test: leaks file-write -->\n```python\n```", ["leaks"], id="leaks"),
        pytest.param("<!-- test: skip no app -->\n```python\n```", ["skip"], id="skip"),
        pytest.param("```python\n```", [""], id="unmarked"),
        pytest.param("<!-- test: passes -->\nText.\n```python\n```", [""], id="text-between"),
        pytest.param(
            "<!-- test: passes -->\n```python\n```\n```python\n```", ["passes", ""], id="second-unmarked"
        ),
        pytest.param("<!-- test: works -->\n```python\n```", [""], id="unknown-verdict"),
        pytest.param("<!-- test: output -->\n```python\n```", [""], id="output-is-no-verdict"),
        pytest.param("<!-- test: passes -->\n```{code-block} python\n```", [""], id="directive"),
        pytest.param("~~~python\n~~~", [""], id="tildes"),
        pytest.param("- a\n\n  ```python\n  ```", [""], id="in-a-list"),
        pytest.param("````markdown\n```python\n```\n````", [], id="fence-shown-in-a-fence"),
        pytest.param("```toml\n```\n```text\n```", [], id="other-languages"),
    ],
)
def test_python_blocks_are_found_with_their_verdicts(text: str, verdicts: list[str]) -> None:
    assert [found.verdict for found in examples("page.md", text)] == verdicts


def test_shown_output_belongs_to_the_block_above() -> None:
    marker = "<!-- test: leaks file-write with --stateless -q -->\n"
    text = f"{marker}```python\npass\n```\n<!-- test: output -->\n```text\none\n\ntwo\n```"
    assert examples("page.md", text) == [
        Example("page.md:2", "pass\n", "leaks", ("file-write",), ("--stateless", "-q"), ("one", "two"))
    ]
