"""What a person reads: a section for each leaking test, and a summary of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from pytest_stateless.leak import Leak, Origin
from pytest_stateless.reports.inert import inert, inert_block, inert_line
from pytest_stateless.reports.session import SessionLeaks

_FEW: Final = 5  # tests, files or messages that are told one by one
_MANY: Final = 50  # writes that are shown
_WIDTH: Final = 96  # of the closing sentences, which end where the page of a narrow terminal does


class Piece(NamedTuple):
    """A piece of a line, with how it is marked up where the terminal can."""

    text: str
    markup: Mapping[str, bool] = {}


Line = tuple[Piece, ...]

_RED: Final = {"red": True}
_YELLOW: Final = {"yellow": True}
_BOLD: Final = {"bold": True}
_FAINT: Final = {"light": True}


def headline(leaks: Sequence[Leak]) -> str:
    """``left 3 things behind``."""
    number = len(leaks)
    return f"left {number} {'thing' if number == 1 else 'things'} behind"


def brief(leaks: Sequence[Leak]) -> str:
    """One line for pytest's short summary: the rules and subjects."""
    return f"{headline(leaks)}: " + ", ".join(f"{leak.rule} {inert(leak.subject)}" for leak in leaks)


def section(nodeid: str, leaks: Sequence[Leak], detailed: bool = False) -> Iterator[Line]:
    """All lines of a leaking test's section; ``detailed`` as ``table`` has it."""
    yield (Piece(inert_line(f"{nodeid} {headline(leaks)}"), _BOLD),)
    yield ()
    yield from table(leaks, detailed)
    yield ()
    yield from ((Piece(line),) for line in advice(leaks))


def table(leaks: Sequence[Leak], detailed: bool = False) -> Iterator[Line]:
    """A few lines for each leak: rule, subject and what happened; who did it; during which request.

    ``detailed`` tells how the user's code came to the line that did it, and why a leak of the rule matters here.
    """
    width = max((len(leak.rule) for leak in leaks), default=0) + 2
    margin = Piece(" " * width)
    for leak in leaks:
        yield (
            Piece(leak.rule.ljust(width), _RED),
            Piece(inert(leak.subject), _BOLD),
            Piece(f"  {inert(leak.message)}"),
        )
        if leak.origin is not None:
            yield margin, Piece(f"by {inert(str(leak.origin))}")
        for caller in leak.chain[1:] if detailed else ():
            yield margin, Piece(f"   called by {inert(str(caller))}")
        if leak.note is not None:
            yield margin, Piece(inert_block(leak.note))
        if leak.request is not None:
            yield margin, Piece(f"during {inert(leak.request)}")
        if detailed and leak.why is not None:
            yield margin, Piece(f"why: {inert(leak.why)}")


def advice(leaks: Sequence[Leak]) -> Iterator[str]:
    """Why it matters and what to do, with an allowance that fits the first leak."""
    yield "A twelve-factor process keeps nothing between requests: the next one may be served by another"
    allow = f'allow=["{suggested_allowance(leaks[0])}"].'
    ending = "process. Keep it in a backing service, or say why it is fine:"
    if len(ending) + len(allow) + 1 <= _WIDTH:
        yield f"{ending} {allow}"
    else:
        yield ending
        yield allow


def suggested_allowance(leak: Leak) -> str:
    """An allowance for the leak and its like: what a container holds, the file's directory, the socket's host.

    Not more of a module: it would hide what leaks there next.
    """
    if leak.rule == "module-state":
        front, found, _ = leak.subject.partition("[")
        pattern = f"{front}*" if found and front else leak.subject
    else:
        separator = {"file-write": "/", "listening-socket": ":", "unexpected-port": ":"}.get(leak.rule, "")
        front, found, _ = leak.subject.rpartition(separator) if separator else ("", "", "")
        pattern = f"{front}{separator}*" if found and front else leak.subject
    return inert(f"{leak.rule}:{pattern}").replace("\\", "\\\\").replace('"', '\\"')


def errors(found: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Detectors that failed, each with its traceback."""
    for error in found:
        yield (Piece(f"internal error of pytest-stateless in {inert(error['detector'])}", _RED),)
        yield from ((Piece(line),) for line in inert_block(error["traceback"].rstrip()).split("\n"))


def summary(session: SessionLeaks) -> Iterator[Line]:
    """The end of the run: leaks per rule, failed detectors, allowances that matched nothing."""
    counts = session.counts()
    total = sum(counts.values())
    leaking = sum(bool(test.failing) for test in session.tests)
    if total:
        yield (
            Piece(f"{_count(total, 'leak')} in {_count(leaking, 'test')}", _RED),
            Piece(f": {_rules(counts)}"),
        )
    warned = session.warned()
    if warned:
        tests = _count(sum(bool(test.warnings) for test in session.tests), "test")
        number = _count(sum(warned.values()), "warning")
        yield Piece(f"{number} in {tests}", _YELLOW), Piece(f": {_rules(warned)}")
    for allowance, where in session.unused:
        yield (
            Piece("unused allowance", _YELLOW),
            Piece(f": {inert(allowance)} ({inert(where)}) matched nothing; remove it"),
        )
    for test in session.tests:
        if test.errors:
            yield (Piece(inert_line(test.nodeid), _BOLD),)
            yield from errors(test.errors)


_REACHES: Final = {"all": "all interfaces", "interface": "one interface", "loopback": "loopback only"}


def ports(session: SessionLeaks) -> Iterator[Line]:
    """The table of the ports that were opened: address, who can reach it, who opened it."""
    if session.ports:
        yield (Piece(f"{_count(len(session.ports), 'port')} opened", _BOLD),)
    width = max((len(inert(port.address)) for port in session.ports), default=0)
    for port in session.ports:
        address, reach = inert(port.address).ljust(width), _REACHES[port.reach].ljust(14)
        origin = f", at {inert(str(port.origin))}" if port.origin else ""
        closed = ", closed again" if port.closed else ""
        yield (Piece(f"  {port.protocol} {address}  {reach}  by {inert(port.by)}{origin}{closed}"),)


def put_back(session: SessionLeaks) -> Iterator[Line]:
    """What tests did to the disk and put back: each once, with the test or how many did it, and the line."""
    tests: dict[tuple[str, str, Origin | None], dict[str, None]] = {}
    for one in session.put_back:
        tests.setdefault((one.path, one.what, one.origin), {})[one.test] = None
    left_out = session.left_out + max(0, len(tests) - _MANY)
    if tests:
        yield (Piece(f"{_count(len(tests) + session.left_out, 'transient write')}", _BOLD),)
    for (path, what, origin), names in islice(tests.items(), _MANY):
        by = next(iter(names)) if len(names) == 1 else _count(len(names), "test")
        at = f", at {origin}" if origin else ""
        yield (Piece(inert_line(f"  {path}  {what}  by {by}{at}")),)
    if left_out:
        yield (Piece(f"  and {left_out} more"),)


def notes(notices: Iterable[str]) -> Iterator[Line]:
    """A line for each reason why less was seen than could be."""
    for notice in notices:
        yield Piece("note", _YELLOW), Piece(f": {inert(notice)}")


def _rules(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {rule}" for rule, number in sorted(counts.items()))


def warnings(session: SessionLeaks, detailed: bool = False) -> Iterator[Line]:
    """What fails no test, as pytest tells its warnings: each subject once, below the tests that it is of.

    ``detailed`` tells why it matters.
    """
    found: dict[tuple[str, str], list[tuple[str, Leak]]] = {}
    for test in session.tests:
        for leak in test.warnings:
            found.setdefault((leak.rule, leak.subject), []).append((test.nodeid, leak))
    for (rule, subject), alike in sorted(found.items()):
        yield from ((Piece(inert_line(line)),) for line in _named([nodeid for nodeid, _ in alike]))
        leaks = {leak.message: leak for _, leak in alike}
        for message in list(leaks)[:_FEW]:
            yield Piece(f"  {rule}", _YELLOW), Piece(f"  {inert(subject)}  {inert(message)}")
        if len(leaks) > _FEW:
            yield (Piece(f"  and {_count(len(leaks) - _FEW, 'other change')}"),)
        reasons = {leak.why: None for leak in leaks.values() if leak.why is not None} if detailed else {}
        yield from ((Piece(f"  why: {inert(why)}"),) for why in reasons)
        yield ()


def _named(nodeids: Sequence[str]) -> Iterator[str]:
    """A few tests by name; of more, how many there are in each file; of many files, in all of them."""
    names = dict.fromkeys(nodeids)
    if len(names) <= _FEW:
        yield from names
        return
    files = Counter(name.partition("::")[0] for name in names)
    if len(files) <= _FEW:
        yield from (f"{file}: {_count(number, 'test')}" for file, number in files.items())
    else:
        yield f"{len(names)} tests in {len(files)} files"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def plain(lines: Iterator[Line]) -> str:
    """The lines without markup."""
    return "\n".join("".join(piece.text for piece in line) for line in lines)
