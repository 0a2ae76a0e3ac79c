"""Keeps the writes of a test off the disk: they are denied, or go to a fake."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final

from pytest_stateless import audit, children, confined, doors
from pytest_stateless.allowance import Allowance
from pytest_stateless.detectors import Context
from pytest_stateless.detectors.file_write import RULE, about_to_leak
from pytest_stateless.expected import judge
from pytest_stateless.fake.disk import FakeDisk
from pytest_stateless.findings import Findings
from pytest_stateless.noted import Write
from pytest_stateless.recording import Recording
from pytest_stateless.window import Windows
from pytest_stateless.zones import SHARED_MEMORY, within

Refuse = Callable[[Write], "str | None"]


_WHY: Final = {
    "deny": "must not write outside the temporary directories",
    "fake": "can't keep in memory what is written past Python's own functions",
}


def refusing(context: Context, allowances: Sequence[Allowance], disk: str = "deny") -> Refuse:
    """Says why a write must not happen: it is a leak that is neither expected nor allowed."""
    zones = context.zones

    def refuse(write: Write) -> str | None:
        if within(write.path, SHARED_MEMORY):  # no disk, and what stays there is told in the end
            return None
        leak = about_to_leak(write, zones, context.sources)
        if leak is None or not judge([leak], allowances)[0]:
            return None
        return (
            f"{leak.rule}: this stateless test (disk={disk!r}) {_WHY[disk]}; "
            f"write to tmp_path, or allow '{leak.rule}:{leak.subject}'"
        )

    return refuse


class Quarantine:
    """What becomes of the writes of the test that runs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._undoing = ExitStack()
        self._begun = False
        """Whether there may be something to undo."""
        self._recording: Recording | None = None
        self._fake: FakeDisk | None = None

    def begin(self, disk: str, allowances: Sequence[Allowance]) -> None:
        """A test begins whose writes are to go to ``disk``."""
        self.end()
        if disk == "real" or (disk == "fake" and FakeDisk.is_in_use()):
            return
        self._begun = True
        self._recording = self._open_recording()
        # What gets past the fake must not reach the disk either.
        self._recording.refuse = refusing(self._context, allowances, disk)
        if disk == "deny":
            patterns = [one.pattern for one in allowances if one.rule == RULE.id]
            self._recording.writable = confined.writable(self._context.zones, patterns)
        if disk == "fake":
            fake = FakeDisk(self._recording)
            self._undoing.callback(fake.stop)
            fake.start()
            self._fake = fake

    @property
    def is_on(self) -> bool:
        """Whether a test runs whose writes are kept off the disk."""
        return self._recording is not None

    def end(self) -> None:
        """The test was torn down."""
        if not self._begun:
            return
        self._begun = False
        if self._recording is not None:
            self._recording.refuse = self._recording.writable = None
            self._recording = None
        self._fake = None
        self._undoing.close()

    def looking(self) -> AbstractContextManager[None]:
        """While the plugin itself looks at the disk, it sees the real one."""
        return self._fake.paused() if self._fake is not None else nullcontext()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """What happens within isn't the test's: its writes are written."""
        recording = self._recording
        if recording is None:
            yield
            return
        kept = recording.refuse, recording.writable
        recording.refuse = recording.writable = None
        try:
            with self.looking():
                yield
        finally:
            if self._recording is recording:  # else the test was abandoned meanwhile
                recording.refuse, recording.writable = kept

    def _open_recording(self) -> Recording:
        """That of the window, or one of its own where the test is run once more without a window."""
        recording = audit.current()
        if recording is None:
            recording = Recording(self._context.sources)
            self._undoing.callback(audit.stop, audit.start(recording))
            for stand_ins in (doors, children):
                stand_ins.install()
                self._undoing.callback(stand_ins.remove)
        return recording


class Looking:
    """Windows within a test whose disk is faked: they look at the real one."""

    def __init__(self, windows: Windows, quarantine: Quarantine, rules: Container[str] | None = None) -> None:
        self._windows = windows
        self._quarantine = quarantine
        self._rules = rules

    def open(self, *, shares: bool = False) -> Any:
        """As of the windows."""
        with self._quarantine.looking():
            return self._windows.open(rules=self._rules, shares=shares)

    def reported(self, rule: str) -> AbstractContextManager[None]:
        """As of the windows."""
        return self._windows.reported(rule)

    def look(self, rule: str) -> Any:
        """As of the windows."""
        with self._quarantine.looking():
            return self._windows.look(rule)

    def leave(self, window: Any, tasks: Sequence[Any]) -> None:
        """As of the windows."""
        self._windows.leave(window, tasks)

    def close(self, window: Any, *told: Any) -> Findings:
        """As of the windows."""
        with self._quarantine.looking():
            return self._windows.close(window, *told)

    def pass_on(self, window: Any, *told: Any) -> Findings:
        """As of the windows."""
        with self._quarantine.looking():
            return self._windows.pass_on(window, *told)
