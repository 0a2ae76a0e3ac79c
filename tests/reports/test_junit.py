from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_stateless.leak import Leak, Severity
from pytest_stateless.reports.junit import properties


def test_each_leak_is_a_property(leaks: tuple[Leak, ...]) -> None:
    state, file, socket = properties(leaks)
    assert state == ("stateless.module-state", "shop.cart.CARTS['bob']  added: list (2 items)")
    assert file == ("stateless.file-write", "var/receipts/1.pdf  created by shop/receipts.py:31 in save")
    assert socket == (
        "stateless.listening-socket",
        f"{leaks[2].subject}  {leaks[2].message} by shop/metrics.py:9 in start during POST /login (2nd request)",
    )


def test_a_warning_is_named_so(leaks: tuple[Leak, ...]) -> None:
    ((name, _),) = properties([replace(leaks[0], severity=Severity.WARNING)])
    assert name == "stateless.warning.module-state"


def test_any_property_goes_through_xml_unchanged(any_leak: st.SearchStrategy[Leak]) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_leak)
    def check(leak: Leak) -> None:
        ((name, value),) = properties([leak])
        text = ET.tostring(ET.Element("property", name=name, value=value), "utf-8")
        assert ET.fromstring(text).attrib == {"name": name, "value": value}
        assert value.isprintable()

    check()
