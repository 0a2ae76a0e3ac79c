"""The shape of the json format, which is a promise."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pytest_stateless.detectors import RULES
from pytest_stateless.leak import Leak, Owner, Severity
from pytest_stateless.reports.json import FORMAT, render
from pytest_stateless.reports.session import SessionLeaks

SCHEMA: Any = json.loads((Path(__file__).parents[2] / "docs" / "reports.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_is_one_of_the_format() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["format"]["const"] == FORMAT
    leak = SCHEMA["$defs"]["leak"]["properties"]
    assert leak["owner"]["enum"] == [owner.value for owner in Owner]
    assert leak["severity"]["enum"] == [severity.value for severity in Severity]
    assert all(rule.id in leak["rule"]["description"] for rule in RULES)


def test_every_field_stands_where_it_is_promised(session: SessionLeaks) -> None:
    assert json.loads(render(session)) == {
        "format": 1,
        "tool": "pytest-stateless",
        "checked": 5,
        "counts": {"file-write": 1, "listening-socket": 1, "module-state": 2},
        "warnings": {"interpreter-state": 1},
        "tests": [
            {
                "nodeid": "tests/test_shop.py::test_checkout",
                "file": "tests/test_shop.py",
                "line": 12,
                "outcome": "failed",
                "leaks": [
                    {
                        "rule": "module-state",
                        "subject": "shop.cart.CARTS['bob']",
                        "message": "added: list (2 items)",
                        "origin": None,
                        "owner": "application",
                        "request": None,
                        "chain": [],
                        "note": None,
                        "severity": "error",
                        "why": None,
                        "fingerprint": session.tests[0].leaks[0].fingerprint,
                    },
                    {
                        "rule": "file-write",
                        "subject": "var/receipts/1.pdf",
                        "message": "created",
                        "origin": {"file": "shop/receipts.py", "line": 31, "function": "save"},
                        "owner": "unknown",
                        "request": None,
                        "chain": [],
                        "note": None,
                        "severity": "error",
                        "why": None,
                        "fingerprint": session.tests[0].leaks[1].fingerprint,
                    },
                    {
                        "rule": "listening-socket",
                        "subject": "0.0.0.0:9100",
                        "message": "tcp, fd 14, exposed on all interfaces",
                        "origin": {"file": "shop/metrics.py", "line": 9, "function": "start"},
                        "owner": "unknown",
                        "request": "POST /login (2nd request)",
                        "chain": [],
                        "note": None,
                        "severity": "error",
                        "why": None,
                        "fingerprint": session.tests[0].leaks[2].fingerprint,
                    },
                ],
                "internal_errors": [],
            },
            {
                "nodeid": "tests/test_shop.py::test_login",
                "file": "tests/test_shop.py",
                "line": 0,
                "outcome": "xfailed",
                "leaks": [leak.to_dict() for leak in session.tests[1].leaks],
                "internal_errors": [],
            },
            {
                "nodeid": "tests/test_shop.py::test_odd",
                "file": "tests/test_shop.py",
                "line": 30,
                "outcome": "passed",
                "leaks": [],
                "internal_errors": [
                    {
                        "detector": "file-write",
                        "traceback": "Traceback (most recent call last):\nValueError: odd\n",
                    }
                ],
            },
        ],
        "unused_allowances": [
            {"allowance": "module-state:shop.old.*", "where": "pytest.ini: stateless_allow"}
        ],
        "ports": [
            {
                "address": "0.0.0.0:9100",
                "protocol": "tcp",
                "reach": "all",
                "by": "tests/test_shop.py::test_checkout",
                "origin": {"file": "shop/metrics.py", "line": 9, "function": "start"},
                "closed": False,
            },
            {
                "address": "127.0.0.1:0",
                "protocol": "udp",
                "reach": "loopback",
                "by": "server (session fixture)",
                "origin": None,
                "closed": True,
            },
        ],
        "transient": [
            {
                "path": "shop/cache.tmp",
                "what": "created and deleted again",
                "test": "tests/test_shop.py::test_a",
                "origin": {"file": "shop/receipts.py", "line": 31, "function": "save"},
                "request": None,
            },
            {
                "path": "shop/cache.tmp",
                "what": "created and deleted again",
                "test": "tests/test_shop.py::test_b",
                "origin": {"file": "shop/receipts.py", "line": 31, "function": "save"},
                "request": None,
            },
            {
                "path": "shop",
                "what": "renamed to s and back",
                "test": "tests/test_shop.py::test_b",
                "origin": None,
                "request": "POST /login (2nd request)",
            },
        ],
        "transient_left_out": 4,
        "notices": ["files aren't seen: there are more than 3"],
    }


SURROGATE_PAIR = re.compile(r"\\ud[89ab]..\\ud[c-f]..")


def test_any_report_fits_the_schema_and_holds_every_text(
    any_session: st.SearchStrategy[SessionLeaks],
) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_session)
    def check(session: SessionLeaks) -> None:
        assume(
            not SURROGATE_PAIR.search(repr(session))
        )  # which JSON reads as the one character that they spell
        text = render(session)
        assert text.isascii()
        report = json.loads(text)
        VALIDATOR.validate(report)
        found = [[Leak.from_dict(leak) for leak in test["leaks"]] for test in report["tests"]]
        assert found == [list(test.leaks) for test in session.tests]
        assert [test["nodeid"] for test in report["tests"]] == [test.nodeid for test in session.tests]

    check()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(["format"], 2, id="format"),
        pytest.param(["tests", 0, "outcome"], "leaked", id="outcome"),
        pytest.param(["tests", 0, "line"], -1, id="line"),
        pytest.param(["tests", 0, "leaks", 0, "severity"], "fatal", id="severity"),
        pytest.param(["tests", 0, "leaks", 0, "owner"], "nobody", id="owner"),
        pytest.param(["tests", 0, "leaks", 0, "fingerprint"], "x", id="fingerprint"),
        pytest.param(["tests", 0, "leaks", 0, "origin"], {}, id="origin"),
        pytest.param(["tests", 0, "leaks", 0, "rule"], None, id="rule"),
        pytest.param(["tests", 0, "leaks", 0, "why"], 1, id="why"),
        pytest.param(["tests", 2, "internal_errors", 0], {"detector": "x"}, id="internal-error"),
        pytest.param(["counts", "file-write"], 0, id="count"),
        pytest.param(["unused_allowances", 0], {}, id="unused-allowance"),
        pytest.param(["ports", 0, "reach"], "nobody", id="reach"),
        pytest.param(["ports", 0, "closed"], None, id="closed"),
        pytest.param(["transient", 0], {}, id="transient"),
        pytest.param(["transient", 0, "origin"], {}, id="origin-of-what-was-put-back"),
        pytest.param(["transient_left_out"], -1, id="left-out"),
        pytest.param(["notices"], [1], id="notices"),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: list[Any], value: object, session: SessionLeaks) -> None:
    report = json.loads(render(session))
    at = report
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(report)
