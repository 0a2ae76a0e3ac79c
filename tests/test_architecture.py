"""The picture in the design, asserted: who imports whom. Imports for type checkers count too."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

PACKAGE = Path(__file__).parents[1] / "pytest_stateless"
NAME = PACKAGE.name

LAYERS: Final = (
    {"given", "landlock", "leak", "limit", "needles", "reaching", "remains", "streams", "tracer", "zones"},
    {"allowance"},
    {"severity"},
    {"source"},
    {"opening", "blame", "heap"},
    {"commands"},
    {"noted"},
    {"canaries"},
    {"aio"},
    {"looping"},
    {"paths", "contents"},
    {"attempts"},
    {"proc"},
    {"recording"},
    {"audit"},
    {"applications", "confined", "interpreter"},
    {"telling"},
    {"child", "children", "doors", "fake", "imports", "loop_doors", "watches"},
    {"detectors"},
    {"twins", "unwatched"},
    {"expected"},
    {"findings", "interval"},
    {"looks"},
    {"window"},
    {"quarantine"},
    {"requests"},
    {"serving"},
    {"seeking"},
    {"reports"},
    {"options"},
    {"settings"},
    {"keys"},
    {"between", "environment", "failure", "marker", "unseen"},
    {"watching"},
    {"second_run"},
    {"fixtures", "served"},
    {"checks", "fixture"},
    {"results"},
    {"plugin"},
    {""},
)
"""Top-level modules and packages; each may import from those above it, and "" is the package itself."""

USES_PYTEST: Final = {
    "",
    "options",
    "settings",
    "plugin",
    "marker",
    "between",
    "checks",
    "failure",
    "second_run",
    "unseen",
    "results",
    "environment",
    "fixture",
    "fixtures",
    "keys",
}
SHARED_BY_DETECTORS: Final = {
    "authors",
    "child_sockets",
    "context",
    "descriptors",
    "happened",
    "kernel",
    "listing",
    "locks",
    "maps",
    "modules",
    "offspring",
    "opened",
    "owners",
    "pending",
    "pools",
    "retained_files",
    "running",
    "signs",
    "sockets",
    "spelling",
    "states",
    "strangers",
    "sysv",
}


def modules() -> dict[str, Path]:
    """All modules by their dotted names below the package; "" is the package itself."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES: Final = modules()


def imports(name: str) -> set[str]:
    """The dotted names that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix(f"{NAME}.") in MODULES
                found.add(whole if is_module else node.module)
    return found


def own_imports(name: str) -> set[str]:
    """What a module imports of this package, by names below it."""
    return {found.partition(".")[2] for found in imports(name) if found.split(".")[0] == NAME}


def layer(name: str) -> int:
    top = name.partition(".")[0]
    return next(position for position, names in enumerate(LAYERS) if top in names)


every_module = pytest.mark.parametrize("name", sorted(MODULES), ids=lambda name: name or "package")


def test_every_module_has_a_place_in_the_picture() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set().union(*LAYERS)


@every_module
def test_imports_point_one_way(name: str) -> None:
    for found in own_imports(name):
        same_package = found.partition(".")[0] == name.partition(".")[0]
        assert same_package or layer(found) < layer(name), f"{name} imports {found}"


def test_there_is_no_circle_of_imports() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for found in own_imports(name) - {name}:
                visit(found, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


@every_module
def test_only_the_edge_imports_pytest(name: str) -> None:
    tops = {found.partition(".")[0] for found in imports(name)}
    assert name in USES_PYTEST or not tops & {"pytest", "_pytest", "pluggy"}


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("reports")))
def test_reports_know_the_leak_and_each_other_alone(name: str) -> None:
    assert {found for found in own_imports(name) if not found.startswith("reports")} <= {"leak"}


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("detectors.")))
def test_detectors_do_not_know_each_other(name: str) -> None:
    others = {found.split(".")[1] for found in own_imports(name) if found.startswith("detectors.")}
    assert others <= SHARED_BY_DETECTORS


@every_module
def test_nobody_imports_from_the_package_itself(name: str) -> None:
    assert "" not in own_imports(name)


def test_a_detector_alone_imports_the_memory() -> None:
    knowing = {name for name in MODULES if any(found.startswith("heap") for found in own_imports(name))}
    assert {name for name in knowing if name.startswith(("requests", "reports", "window", "checks"))} == set()


@every_module
def test_a_module_says_its_duty(name: str) -> None:
    text = MODULES[name].read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_the_check_sees_a_wrong_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = tmp_path / "leak.py"
    wrong.write_text(
        f"from {NAME} import window\nfrom {NAME}.detectors.file_write import RULE\nimport pytest\n"
    )
    monkeypatch.setitem(MODULES, "leak", wrong)
    assert own_imports("leak") == {"window", "detectors.file_write"}
    with pytest.raises(AssertionError, match="leak imports"):
        test_imports_point_one_way("leak")
    with pytest.raises(AssertionError):
        test_only_the_edge_imports_pytest("leak")
    with pytest.raises(AssertionError, match="leak -> "):
        test_there_is_no_circle_of_imports()
