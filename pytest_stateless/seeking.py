"""Looks for what the running test sends: for its canaries, and where the user asks for it, for any secret."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pytest_stateless.canaries import Canaries
from pytest_stateless.leak import Leak
from pytest_stateless.quarantine import Looking
from pytest_stateless.requests import Clients, RequestWindows, Sent, secrets_in

Report = Callable[[Callable[..., Any], Any, str], None]

RULE = "retained-secret"


class Seeking:
    """Of one run; tests come one after the other."""

    def __init__(self, canaries: Canaries, clients: Clients, windows: Looking, automatic: bool) -> None:
        self._canaries = canaries
        self._clients = clients
        self._windows = windows
        """Within which nothing but secrets is looked for."""
        self._automatic = automatic
        self._requests: RequestWindows | None = None
        """The windows of those requests of clients that have no window of all detectors."""
        self._report: Report | None = None
        self._lock: threading.RLock | None = None

    def begin(self, requests: RequestWindows, report: Report | None) -> None:
        """A test begins, with these windows of requests.

        ``report`` ends the window of a client's request; None where ``requests`` has one for each of them.
        """
        self._canaries.clear()
        self._requests = None
        self._report = report
        self._lock = requests.lock
        requests.listen = self._hear
        if self._automatic:
            self._begin_clients()

    def look_for(self, name: str, text: str) -> None:
        """Look for a text that was made just now, after each request and at the end."""
        self._canaries.add(name, text, is_new=True)
        self._begin_clients()

    def _begin_clients(self) -> None:
        if self._requests is None and self._report is not None:
            self._requests = RequestWindows(self._windows, self._report, self._hear, self._lock)
            self._clients.begin(self._requests)

    def finish(self) -> None:
        """The test is over: end what was never closed."""
        if self._requests is not None:
            self._requests.finish()

    def end(self, *told: list[Leak]) -> None:
        """Its window is closed: look for nothing any more, and take what was looked for out of what is told."""
        for leaks in told:
            leaks[:] = self._canaries.taken_out(leaks)
        self._requests = self._report = None
        self._canaries.clear()

    def _hear(self, name: str, sent: Callable[[], Sent]) -> None:
        if self._automatic or self._canaries.secrets:
            with self._windows.reported(RULE):  # what a client was given may be anything
                self._note(name, sent())

    def _note(self, name: str, sent: Sent) -> None:
        self._canaries.note_request(name, sent.raw)
        if self._automatic:
            added = (self._canaries.add(*secret, name) for secret in secrets_in(sent))
            new = {number for number in added if number is not None}
            if new:
                self._learn(new)

    def _learn(self, numbers: set[int]) -> None:
        """What lies somewhere before it is sent, a constant or a setting, isn't there because of the request."""
        look = self._windows.look(RULE)
        if look is not None:
            for subject, trace in look.traces.items():
                self._canaries.learn(subject, numbers & trace.found.keys())
