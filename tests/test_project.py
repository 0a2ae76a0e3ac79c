"""What is watched in runs of small projects that run in this process: see ``tests/conftest.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project


@pytest.mark.parametrize(
    ("text", "watched"),
    [
        pytest.param("import jsonschema.validators", {"jsonschema", "referencing"}, id="with-what-it-needs"),
        pytest.param("from referencing import Registry", {"referencing"}, id="without-what-needs-it"),
        pytest.param("", set(), id="none"),
    ],
)
def test_a_library_is_watched_where_the_project_names_it(
    text: str, watched: set[str], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jsonschema
    import referencing

    for module in (jsonschema, referencing):
        monkeypatch.setattr(module, "LEFT_IN_A_LIBRARY", [], raising=False)
    leave = "[one.LEFT_IN_A_LIBRARY.append(1) for one in [*sys.modules.values()] if NAME in vars(one)]"
    project.write("test_shop.py", f"import sys\n{text}\nNAME = 'LEFT_IN_A_LIBRARY'\ndef test_a(): {leave}\n")
    found = project.found("--stateless", "--stateless-no-blame").get("test_shop.py::test_a", [])
    assert set(found) == {f"module-state {name}.LEFT_IN_A_LIBRARY" for name in watched}
