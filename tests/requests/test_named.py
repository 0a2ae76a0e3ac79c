"""By default, requests of a test client are no windows; the second run says during which of them something moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.requests.test_sent import SHOP

if TYPE_CHECKING:
    from tests.conftest import CountedProject

BOB, EVE = "POST /cart/bob", "POST /cart/eve"


@pytest.mark.parametrize(
    ("test", "told"),
    [
        pytest.param(
            "for user in ('bob', 'eve'):\n        shop.client.get(f'/cart/{user}')\n"
            "        shop.client.post(f'/cart/{user}?token=secret')",
            {"CARTS['bob']": f"{BOB} (2nd request)", "CARTS['eve']": f"{EVE} (4th request)"},
            id="by-its-number",
        ),
        pytest.param("shop.CARTS['al'] = 1\n    shop.client.post('/cart/bob')",
                     {"CARTS['al']": None, "CARTS['bob']": f"{BOB} (1st request)"}, id="beside-the-tests-own"),
        pytest.param("shop.client.get('/last/eve')\n    shop.client.get('/last/bob')",
                     {"LAST['user']": "GET /last/eve (1st request)"}, id="the-first-that-moved-it"),
        pytest.param("shop.client.get('/last/eve')\n    shop.LAST['user'] = None", {}, id="put-back"),
        pytest.param("with stateless.request('GET /'):\n        pass\n    shop.client.post('/cart/bob')",
                     {"CARTS['bob']": f"{BOB} (2nd request)"}, id="beside-one-that-the-test-names"),
        pytest.param("with stateless.request('GET /'):\n        shop.client.post('/cart/bob')",
                     {"CARTS['bob']": "GET / (1st request)"}, id="within-one-that-the-test-names"),
        pytest.param(
            "with stateless.request('GET /'):\n        shop.client.post('/cart/bob')\n"
            "    shop.client.post('/cart/eve')",
            {"CARTS['bob']": "GET / (1st request)", "CARTS['eve']": None}, id="after-a-leak-of-one-that-the-test-names",
        ),
    ],
)  # fmt: skip
def test_the_second_run_names_the_request(
    test: str, told: dict[str, str | None], counted: CountedProject
) -> None:
    counted.write("shop.py", SHOP)
    counted.write("test_shop.py", f"import shop\ndef test_a(stateless):\n    {test}\n")
    counted.check()
    found = {
        leak["subject"].removeprefix("shop."): leak["request"]
        for test_ in counted.report()["tests"]
        for leak in test_["leaks"]
    }
    assert found == told
    assert "secret" not in str(counted.report())


def test_what_is_bound_again_has_its_request_too(counted: CountedProject) -> None:
    counted.write("shop.py", SHOP.replace("LAST = {", "LAST = {").replace(
        'LAST["user"] = user', 'LAST["user"] = "eve"'))  # fmt: skip
    counted.write("test_shop.py", "import shop\ndef test_a():\n    shop.client.get('/last/bob')\n")
    counted.check()
    (leak,) = counted.report()["tests"][0]["leaks"]
    assert (leak["request"], leak["origin"]["function"]) == ("GET /last/bob (1st request)", "last")


def test_clients_are_as_they_were_while_a_test_is_checked(counted: CountedProject) -> None:
    counted.write("shop.py", SHOP)
    counted.write(
        "test_shop.py",
        "import shop, werkzeug.test\nREAL = werkzeug.test.run_wsgi_app\n"
        "def test_a():\n    assert werkzeug.test.run_wsgi_app is REAL\n    shop.client.get('/nowhere')\n",
    )
    counted.check().assert_outcomes(passed=1)
