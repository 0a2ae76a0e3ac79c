"""The windows of a test's served applications: opened in their processes, told in the test's."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from pytest_stateless import children
from pytest_stateless.allowance import Allowance
from pytest_stateless.detectors import Context
from pytest_stateless.expected import judge
from pytest_stateless.findings import Findings, InternalError, Reported
from pytest_stateless.leak import Leak
from pytest_stateless.quarantine import Looking
from pytest_stateless.reports.session import port_to_dict
from pytest_stateless.requests import Answered, Clients, Listen, RequestWindows, compared, noted
from pytest_stateless.second_run import SecondRun, wants_blame
from pytest_stateless.serving import Note, ServeError, ServerProcess
from pytest_stateless.severity import Grade
from pytest_stateless.source import SERVED

Tell = Callable[[Note], None]


class Unchecked:
    """Of a test that isn't checked, or not in this run of it."""

    def process(self) -> ServerProcess | None:
        """As the protocols say, which goes for the others too."""
        return None

    def inside(self, tell: Tell) -> Unchecked:
        """Nothing is checked inside either."""
        return self

    def requests(self) -> RequestWindows | None:
        """None."""
        return None

    def keep(self, app: Any) -> None:
        """Nothing looks at it."""

    def finish(self) -> bool:
        """Nothing is to be told."""
        return False

    def blame(self, again: Callable[[], bool]) -> None:
        """Nothing to blame for."""

    def take(self, process: ServerProcess) -> None:
        """End it."""
        process.end()


class Inside:
    """In the child: the windows that are open here are those of the test, which ends elsewhere."""

    def __init__(
        self,
        tell: Tell,
        looking: Looking,
        context: Context,
        clients: Clients,
        allowances: Sequence[Allowance],
        *,
        grades: Sequence[Grade] = (),
        listen: Listen | None = None,
    ) -> None:
        children.begin_apart()
        clients.end()
        context.alone = False
        self._tell = tell
        self._context = context
        self._canaries = context.canaries
        self._allowances = allowances
        self._second = SecondRun(context.sources, grades)
        self._findings = Findings()
        self._answered: list[Answered] = []
        self._requests = RequestWindows(looking, self._close, listen)

    def requests(self) -> RequestWindows | None:
        """As the protocol says."""
        return self._second.requests or self._requests

    def keep(self, app: Any) -> None:
        """As the protocol says: as ``served.app``, where no module leads to it."""
        heap = self._context.heap
        if heap is not None:
            with Reported("module-state", self._findings.errors):
                heap.look()
                if not heap.has_met(app):
                    module = types.ModuleType(SERVED)
                    vars(module)["app"] = app
                    sys.modules.setdefault(SERVED, module)

    def _close(self, closing: Callable[..., Findings], window: Any, name: str) -> None:
        found = closing(window, self._allowances, name)
        self._answered.append(Answered(name, self._requests.kinds[name], found.moved))
        self._findings.add(found)
        self._tell({"request": self._plain(found)})

    def finish(self) -> bool:
        """As the protocol says."""
        self._requests.finish()
        self._findings.leaks, _ = judge(compared(self._findings.leaks, self._answered), ())
        wanted = wants_blame(self._findings)
        self._tell({"all": self._plain(self._findings), "again": wanted})
        children.clear_away()
        return wanted

    def blame(self, again: Callable[[], bool]) -> None:
        """As the protocol says."""
        self._second.blame_by(again, self._findings)
        self._tell({"all": self._plain(self._findings), "again": False})

    def _plain(self, found: Findings) -> Note:
        leaks, _ = judge(compared(found.leaks, self._answered), ())
        return {
            "leaks": [leak.to_dict() for leak in self._canaries.taken_out(noted(leaks))],
            "used": [self._allowances.index(one) for one in found.used],
            "errors": [error.to_dict() for error in found.errors],
            "ports": [port_to_dict(port, port.request or "") for port in found.ports],
        }


class Served:
    """Of a checked test."""

    def __init__(
        self,
        allowances: Sequence[Allowance],
        second: SecondRun,
        inside: Callable[[Tell], Inside],
    ) -> None:
        self.inside = inside
        self._allowances = allowances
        self._second = second
        self._told: list[Note] = []
        """What each child told."""
        self._kept: dict[int, ServerProcess] = {}
        """Those that want the test to run once more, by their positions there."""
        self._waiting: list[ServerProcess] = []
        """Those of them that it didn't come to yet, in this run."""

    def process(self) -> ServerProcess | None:
        """As the protocol says: in the order in which the test served at first."""
        return self._waiting.pop(0) if self._waiting else None

    def take(self, process: ServerProcess) -> None:
        """As the protocol says."""
        if process in self._kept.values():
            return
        try:
            self._told.append(_summed_up(list(process.notes())))
            if self._told[-1]["again"]:
                self._kept[len(self._told) - 1] = process
        finally:
            if process not in self._kept.values():
                process.end()

    def blame(self, test: Callable[[], bool]) -> bool:
        """Run the test as often as the children want, to find who did it. Returns whether it ran."""
        ran, wanting = bool(self._kept), dict(self._kept)
        while wanting:
            self._waiting = list(wanting.values())
            passed = self._second.run_for_others(test)
            wanting = {at: process for at, process in wanting.items() if self._goes_on(at, process, passed)}
        self.end()
        return ran

    def _goes_on(self, position: int, process: ServerProcess, passed: bool) -> bool:
        try:
            if process.tell_outcome(passed):
                return True
        except ServeError:  # what it told before stands
            return False
        self._told[position] = _summed_up(list(process.notes()))
        return False

    def end(self) -> None:
        """Nothing is wanted any more of the children that were kept."""
        while self._kept:
            self._kept.popitem()[1].end()
        self._waiting.clear()

    # --------------------------------------------------------------------------------- what was told

    @property
    def findings(self) -> Findings:
        """What the children found."""
        found = Findings()
        for note in self._told:
            found.leaks += map(Leak.from_dict, note["leaks"])
            found.used += [self._allowances[index] for index in note["used"]]
            found.errors += [InternalError(**error) for error in note["errors"]]
        return found

    @property
    def ports(self) -> list[dict[str, Any]]:
        """What the children opened."""
        return [port for note in self._told for port in note["ports"]]

    def drop_twins(self, found: Findings) -> None:
        """Take out what the test's own process saw of a leak that a child tells."""
        told = {(leak.rule, leak.subject) for leak in self.findings.leaks}
        found.leaks = [leak for leak in found.leaks if (leak.rule, leak.subject) not in told]


def _summed_up(notes: list[Note]) -> Note:
    """All that was told last; of a child that was lost, what it told of each request."""
    whole = [{**note["all"], "again": note["again"]} for note in notes if "all" in note]
    parts = [note["request"] for note in notes if "request" in note]
    kinds = ("leaks", "used", "errors", "ports")
    return (
        whole[-1]
        if whole
        else {**{kind: [one for part in parts for one in part[kind]] for kind in kinds}, "again": False}
    )
