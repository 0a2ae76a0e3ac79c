"""The windows of a test's served applications: opened in their processes, told in the test's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pytest_stateless import children
from pytest_stateless.allowance import Allowance
from pytest_stateless.detectors import Context
from pytest_stateless.expected import judge
from pytest_stateless.leak import Leak
from pytest_stateless.quarantine import Looking
from pytest_stateless.reports.session import port_to_dict
from pytest_stateless.requests import Answered, Clients, RequestWindows, compared, noted
from pytest_stateless.serving import Note, ServerProcess
from pytest_stateless.window import Findings, InternalError, Windows


class Unchecked:
    """Of a test that isn't checked, or not in this run of it."""

    def __init__(self, apart: Callable[[], AbstractContextManager[Any]] = nullcontext) -> None:
        self.apart = apart

    def process(self) -> ServerProcess | None:
        """As the protocol says."""
        return None

    def begin(self, tell: Callable[[Note], None]) -> RequestWindows | None:
        """As the protocol says."""
        return None

    def finish(self) -> None:
        """As the protocol says."""

    def take(self, process: ServerProcess) -> None:
        """As the protocol says."""
        process.end()


class Served:
    """Of a checked test."""

    def __init__(
        self,
        windows: Windows,
        looking: Looking,
        context: Context,
        clients: Clients,
        allowances: Sequence[Allowance],
    ) -> None:
        self.apart = windows.absorbing
        self.findings = Findings()
        """What the children told."""
        self.ports: list[dict[str, Any]] = []
        self._looking = looking
        self._context = context
        self._clients = clients
        self._allowances = allowances
        self._answered: list[Answered] = []

    # ------------------------------------------------------------------------------------- in the child

    def begin(self, tell: Callable[[Note], None]) -> RequestWindows:
        """As the protocol says. The windows that are open here are those of the test, which ends elsewhere."""
        children.begin_apart()
        self._clients.end()
        self._context.alone = False
        self._tell = tell
        self._requests = RequestWindows(self._looking, self._close)
        return self._requests

    def _close(self, closing: Callable[..., Findings], window: Any, name: str) -> None:
        found = closing(window, self._allowances, name)
        self._answered.append(Answered(name, self._requests.kinds[name], found.moved))
        self.findings.add(found)
        self._tell({"request": self._plain(found)})

    def finish(self) -> None:
        """As the protocol says."""
        self._tell({"all": self._plain(self.findings)})
        children.clear_away()

    def _plain(self, found: Findings) -> Note:
        leaks, _ = judge(compared(found.leaks, self._answered), ())
        return {
            "leaks": [leak.to_dict() for leak in noted(leaks)],
            "used": [self._allowances.index(one) for one in found.used],
            "errors": [error.to_dict() for error in found.errors],
            "ports": [port_to_dict(port, port.request or "") for port in found.ports],
        }

    # ------------------------------------------------------------------------------------ in the parent

    def process(self) -> ServerProcess | None:
        """As the protocol says."""
        return None

    def take(self, process: ServerProcess) -> None:
        """As the protocol says. What was told of the requests one by one counts where the end wasn't told."""
        try:
            notes = list(process.notes())
        finally:
            process.end()
        whole = [note["all"] for note in notes if "all" in note]
        for note in whole[-1:] or [note["request"] for note in notes if "request" in note]:
            self.findings.leaks += map(Leak.from_dict, note["leaks"])
            self.findings.used += [self._allowances[index] for index in note["used"]]
            self.findings.errors += [InternalError(**error) for error in note["errors"]]
            self.ports += note["ports"]

    def join(self, found: Findings) -> None:
        """Add what the children told to what the test's own process found, which may have seen the same thing."""
        told = {(leak.rule, leak.subject) for leak in self.findings.leaks}
        found.leaks[:] = [leak for leak in found.leaks if (leak.rule, leak.subject) not in told]
        found.add(self.findings)
