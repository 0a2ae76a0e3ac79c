"""What readers give of buffers of every form."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_stateless.heap import readers


@pytest.mark.parametrize(
    ("thing", "size", "state"),
    [
        pytest.param(memoryview(bytearray(b"abcd"))[::2], "2 bytes", b"ac", id="with-gaps"),
        pytest.param(memoryview(b"abcd"), "", None, id="read-only"),
        pytest.param(7, "", None, id="no-buffer"),
    ],
)
def test_a_buffer_is_read_where_it_can_be_and_may_change(thing: Any, size: str, state: object) -> None:
    found = readers.read_buffer(thing, None)
    assert found == (readers.UNREADABLE if state is None else readers.Inside(size, state))


def test_a_large_buffer_with_gaps_is_known_by_its_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_KEPT", 2)
    memory = bytearray(b"abcdefgh")
    before = readers.read_buffer(memoryview(memory)[::2], None)
    assert type(before.state) is int
    memory[1] = 0
    assert readers.read_buffer(memoryview(memory)[::2], None) == before
    memory[2] = 0
    assert readers.read_buffer(memoryview(memory)[::2], None) != before
