"""Reads the state of objects that no referent shows: one line a type in ``_READERS``.

A reader is given the object and what it said of it before, and returns an ``Inside``: plain values that later changes
of the object don't reach. It calls C functions of the exact built-in type that it stands for, past any override, so
that no code of the program runs.
"""

from __future__ import annotations

import ctypes
import re
import types
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pytest_stateless.heap import sqlite
from pytest_stateless.heap.graph import (
    class_namespace,
    is_heap_type,
    module_name_of,
    mro_of,
    name_of,
)
from pytest_stateless.heap.holders import loaded
from pytest_stateless.heap.memory import HEADER, READS_MEMORY, address
from pytest_stateless.heap.transactions import DRIVERS


class Inside(NamedTuple):
    """What an object holds inside, as plain values."""

    size: str
    """How large it is, as it is shown; empty where that says nothing."""
    state: object
    """Plain values of built-in types: equal exactly if nothing changed."""
    kind: str = ""
    """What the state is of, where its changes are judged by more than equality."""
    fields: bytes = b""
    """The fields of the object as they lay in memory, where reading its state from them is dear."""


Reader = Callable[[Any, "Inside | None"], Inside]

UNREADABLE: Final = Inside("", None)
"""What can't be read now: closed, in use, or of a kind that shows nothing."""

_WHOLE: Final = 1 << 22  # bytes of a buffer that are read; of a larger one, as many in blocks spread evenly
_KEPT: Final = 1 << 16  # bytes of a buffer that are kept as they are; of a larger one, its checksum
_BLOCK: Final = 1 << 12


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


# ------------------------------------------------------------------------------------------------------- buffers


def read_buffer(thing: Any, _: Inside | None) -> Inside:
    """Whatever shows its memory as a buffer: bytearray, array, mmap, ctypes' and numpy's arrays."""
    try:
        view = memoryview(thing)
    except (TypeError, BufferError):
        return UNREADABLE
    except ValueError:  # a kind of element that buffers have no name for, such as numpy's dates; or closed
        as_bytes: Any = _built_in(thing).__dict__.get("tobytes")
        return UNREADABLE if as_bytes is None else Inside("", as_bytes(thing))
    with view:
        size = _count(view.nbytes, "byte")
        if view.readonly:
            return UNREADABLE
        if not view.c_contiguous:
            return Inside(size, view.tobytes() if view.nbytes <= _KEPT else zlib.crc32(view.tobytes()))
        return Inside(size, _content(view))


def _content(view: memoryview) -> object:
    if view.nbytes <= _KEPT:
        return view.tobytes()
    if view.nbytes <= _WHOLE:
        return view.nbytes, zlib.crc32(view)
    flat = view.cast("B") if view.ndim == 1 or view.format == "B" else memoryview(view.tobytes())
    step = view.nbytes // (_WHOLE // _BLOCK)
    checksum = 0
    for start in range(0, view.nbytes, step):
        checksum = zlib.crc32(flat[start : start + _BLOCK], checksum)
    return view.nbytes, zlib.crc32(flat[-_BLOCK:], checksum)


def read_bytes_io(thing: Any, _: Inside | None) -> Inside:
    cls: Any = loaded("_io", "BytesIO")
    try:
        return Inside(_count(len(value := cls.getvalue(thing)), "byte"), (value, cls.tell(thing)))
    except ValueError:  # closed
        return Inside("closed", None)


def read_string_io(thing: Any, _: Inside | None) -> Inside:
    cls: Any = loaded("_io", "StringIO")
    try:
        return Inside(_count(len(value := cls.getvalue(thing)), "character"), (value, cls.tell(thing)))
    except ValueError:  # closed
        return Inside("closed", None)


# ----------------------------------------------------------------------------------------- generators and counters

DRAWN: Final = "mersenne"
"""The kind of a Mersenne twister's state: 624 words and a position."""


def _random(thing: Any, before: Inside | None) -> Inside:
    cls: Any = loaded("_random", "Random")
    return _twister(thing, cls, before, lambda: cls.getstate(thing))


def _numpy_bit_generator(thing: Any, before: Inside | None) -> Inside:
    """numpy keeps a generator's words in the object itself."""
    cls: Any = loaded("numpy.random._mt19937", "MT19937")
    if cls is None or type(thing) is not cls:
        return _memory(thing, before)

    def words() -> tuple[int, ...]:
        state = vars(cls)["state"].__get__(thing)["state"]
        return *state["key"].tolist(), int(state["pos"])

    return _twister(thing, cls, before, words)


def _twister(thing: Any, cls: type, before: Inside | None, words: Callable[[], tuple[int, ...]]) -> Inside:
    """Its 624 words are read one by one only where a byte of the object changed: a tenth of the cost."""
    fields = _fields(thing, cls)
    if before is not None and fields and fields == before.fields:
        return before
    state = words()
    return before if before is not None and before.state == state else Inside("", state, DRAWN, fields)


def _memory(thing: Any, _: Inside | None) -> Inside:
    """The fields of an object of a C type as they lie in memory: a counter that nothing else shows.

    What its pointers lead to are referents, watched on their own.
    """
    return Inside("", _fields(thing, _built_in(thing))) if READS_MEMORY else UNREADABLE


def _fields(thing: object, cls: type) -> bytes:
    """What an object of a C type holds after its head; nothing where memory isn't read."""
    size = _basic_size(cls) - HEADER
    return ctypes.string_at(address(thing) + HEADER, size) if READS_MEMORY else b""


_basic_size: Final = type.__dict__["__basicsize__"].__get__


def _built_in(thing: object) -> type:
    """The C type that an object is of."""
    return next(base for base in mro_of(type(thing)) if _is_of_c(base))


def _is_of_c(cls: type) -> bool:
    """Whether a type can't be one of the program's: it is immutable, or only C code can make its instances."""
    return not is_heap_type(cls) or bool(_flags_of(cls) & _NOT_TO_BE_MADE)


_flags_of: Final = type.__dict__["__flags__"].__get__
_NOT_TO_BE_MADE: Final = 1 << 7  # Py_TPFLAGS_DISALLOW_INSTANTIATION, 3.10 and later


def _suspended(frame: str) -> Reader:
    """A generator or coroutine: the place where it waits. Its variables are referents."""

    def read(thing: Any, _: Inside | None) -> Inside:
        waiting = vars(_SUSPENDED[frame])[frame].__get__(thing)
        return Inside("ended", None) if waiting is None else Inside("", waiting.f_lasti)

    return read


_SUSPENDED: Final[dict[str, Any]] = {
    "gi_frame": types.GeneratorType,
    "cr_frame": types.CoroutineType,
    "ag_frame": types.AsyncGeneratorType,
}


# ------------------------------------------------------------------------------------------------- all the rest

_FLAGS: Final = re.compile(r"flags=\[[^]]*\], ")


def _decimal_context(thing: Any, _: Inside | None) -> Inside:
    """Precision, rounding and traps; not the flags, which any inexact sum raises."""
    cls: Any = loaded("_decimal", "Context") or loaded("decimal", "Context")
    return Inside("", _FLAGS.sub("", cls.__repr__(thing)))


def _hash(thing: Any, _: Inside | None) -> Inside:
    digest: Any = _built_in(thing).__dict__["digest"]
    try:
        return Inside("", digest(thing))
    except TypeError:  # of any length that is asked for
        return Inside("", digest(thing, 32))


def _sqlite_connection(thing: Any, before: Inside | None) -> Inside:
    """A database in memory; one in a file is a file."""
    former = before.state if before is not None and isinstance(before.state, sqlite.Database) else None
    found = sqlite.read(address(thing), former)
    if before is not None and found is not None and found is former:
        return before
    return Inside("a transaction is open" if found is not None and found.in_transaction else "", found)


def _connection(_: Any, __: Inside | None) -> Inside:
    """A connection to a database, which holds the state; its transactions are a leak of their own kind."""
    return UNREADABLE


def _of(module: str, names: str, reader: Reader) -> dict[tuple[str, str], Reader]:
    return {(module, name): reader for name in names.split()}


_READERS: Final[dict[tuple[str, str], Reader]] = {
    ("builtins", "bytearray"): read_buffer,
    ("array", "array"): read_buffer,
    ("mmap", "mmap"): read_buffer,
    ("numpy", "ndarray"): read_buffer,
    **_of("_ctypes", "Array Structure Union _SimpleCData", read_buffer),
    ("_io", "BytesIO"): read_bytes_io,
    ("_io", "StringIO"): read_string_io,
    ("numpy.random.bit_generator", "BitGenerator"): _numpy_bit_generator,
    **_of("itertools", "count cycle islice repeat accumulate chain groupby tee pairwise batched", _memory),
    **_of("itertools", "_tee product permutations combinations combinations_with_replacement", _memory),
    **_of("builtins", "enumerate reversed range_iterator longrange_iterator list_iterator", _memory),
    **_of("builtins", "list_reverseiterator tuple_iterator str_iterator str_ascii_iterator", _memory),
    **_of("builtins", "bytes_iterator bytearray_iterator set_iterator dict_keyiterator", _memory),
    **_of("builtins", "dict_valueiterator dict_itemiterator memory_iterator iterator", _memory),
    **_of("builtins", "dict_reversekeyiterator dict_reversevalueiterator dict_reverseitemiterator", _memory),
    **_of("_collections", "_deque_iterator _deque_reverse_iterator", _memory),  # before 3.13
    **_of("collections", "_deque_iterator _deque_reverse_iterator", _memory),
    ("_sre", "SRE_Scanner"): _memory,
    ("_struct", "unpack_iterator"): _memory,
    **_of("zlib", "Compress Decompress _ZlibDecompressor", _memory),  # they count the bytes
    **_of("_bz2", "BZ2Compressor BZ2Decompressor", _memory),
    **_of("_lzma", "LZMACompressor LZMADecompressor", _memory),
    **_of("_multibytecodec", "MultibyteIncrementalEncoder MultibyteIncrementalDecoder", _memory),
    ("builtins", "generator"): _suspended("gi_frame"),
    ("builtins", "coroutine"): _suspended("cr_frame"),
    ("builtins", "async_generator"): _suspended("ag_frame"),
    ("decimal", "Context"): _decimal_context,
    **_of("_hashlib", "HASH HASHXOF HMAC", _hash),
    **_of("_md5", "md5 MD5Type", _hash),
    **_of("_sha1", "sha1 SHA1Type", _hash),
    **_of("_sha2", "SHA224Type SHA256Type SHA384Type SHA512Type", _hash),
    **_of("_sha256", "sha224 sha256", _hash),
    **_of("_sha512", "sha384 sha512", _hash),
    **_of("_blake2", "blake2b blake2s", _hash),
    **_of("_sha3", "sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256", _hash),
    **dict.fromkeys(DRIVERS, _connection),
    ("sqlite3", "Connection"): _sqlite_connection,
}
"""By module and name of a built-in type, as the type itself says. Instances of subclasses are read as of the base."""

SQLITE: Final = _sqlite_connection
OF_CONNECTIONS: Final = frozenset({_connection, SQLITE})
"""Readers of connections to databases."""

SHOWING_ALL: Final = frozenset({_sqlite_connection, _hash, _decimal_context, read_buffer})
"""Readers that show all there is: what else the objects refer to is how they work, such as caches of statements."""


def reader_of(cls: type) -> Reader | None:
    """The reader of instances of a class, if they hold what no referent shows."""
    for base in mro_of(cls):
        if base is loaded("_random", "Random"):  # isn't immutable, and can be made
            return _random
        if is_heap_type(base) and "__buffer__" in class_namespace(base):  # the program's own (3.12 and later)
            return None
        if _is_of_c(base):
            reader = _READERS.get((module_name_of(base), name_of(base)))
            if reader is not None:
                return reader
    return None
