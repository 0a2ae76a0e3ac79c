"""Reads the bytes that an object keeps inside, to search them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pytest_stateless.heap.holders import loaded
from pytest_stateless.heap.readers import read_buffer, read_bytes_io, read_string_io, reader_of
from pytest_stateless.needles import encoded

Content = Callable[[Any], bytes]
"""Gives the bytes of an object; none where it is closed or shows none."""

LARGEST: Final = 1 << 26  # bytes of one object that are searched


def _buffer(thing: Any) -> bytes:
    try:
        with memoryview(thing) as view:
            if view.nbytes <= LARGEST:
                return view.tobytes()
            return view.cast("B")[:LARGEST].tobytes() if view.c_contiguous else b""
    except (TypeError, BufferError, ValueError):  # closed, released, or of a kind that shows no bytes
        return b""


def _value_of(name: str) -> Content:
    """What is in a stream of the ``io`` module that lies in memory."""

    def value(thing: Any) -> bytes:
        try:
            found: bytes | str = loaded("_io", name).getvalue(thing)
        except ValueError:  # closed
            return b""
        return encoded(found) if isinstance(found, str) else found

    return value


_CONTENTS: Final[dict[object, Content]] = {
    read_buffer: _buffer,
    read_bytes_io: _value_of("BytesIO"),
    read_string_io: _value_of("StringIO"),
}
"""By the reader that tells of changes of the same objects."""


def content_of(cls: type) -> Content | None:
    """What reads the bytes of instances of a class; None where they keep none."""
    return _buffer if cls is memoryview else _CONTENTS.get(reader_of(cls))
