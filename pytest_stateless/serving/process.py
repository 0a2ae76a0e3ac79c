"""The child process that serves, as its parent has it: forked, told what to do, and reaped whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

SERVE: Final = b"s"
"""Comes with a listening socket: serve on it."""
STOP: Final = b"x"
PASSED: Final = b"p"
FAILED: Final = b"f"
"""What became of the test that was run once more."""
READY: Final = b"r"
ENDED: Final = b"e"
AGAIN: Final = b"a"
"""The test is wanted once more."""

PATIENCE: Final = 60.0
"""Seconds for the application to start, for the server to stop, and for the process to end; then it is killed."""


class _Real:
    """Held where no test stops the clock."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


class ServeError(Exception):
    """The application could not be served, or not to the end."""


class ServerProcess:
    """A fork of this process, in a session of its own. What it notes can be read here."""

    def __init__(self, live: Callable[[socket.socket, Callable[[dict[str, Any]], None]], None]) -> None:
        """Fork; ``live`` is run in the child, with its end of the control socket and a way to write a note."""
        self._control, theirs = socket.socketpair()
        self._notes = _anonymous_file()
        self.status: int | None = None
        """As ``os.waitpid`` gives it, once the process was reaped; -1 where somebody else did so."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # else the child would write it again
        self._pid = _fork()
        if self._pid == 0:
            self._control.close()
            _live(lambda: live(theirs, self._write))
        theirs.close()
        _LIVING.append(self)

    def serve(self, listener: socket.socket) -> None:
        """Begin to serve. Raises ServeError where the application doesn't start."""
        __tracebackhide__ = True
        self._say(SERVE, listener.fileno())
        self._expect("the application didn't start", READY)

    def stop(self) -> None:
        """Stop serving; the process stays. Raises ServeError where it can't be stopped, or has ended by itself."""
        __tracebackhide__ = True
        self._say(STOP)
        self._expect("the server was lost", ENDED)

    def tell_outcome(self, passed: bool) -> bool:
        """Say whether the test that was run once more passed. Returns whether it is wanted yet again.

        Raises ServeError where the process has ended by itself.
        """
        self._say(PASSED if passed else FAILED)
        return self._expect("the server was lost", ENDED, AGAIN) == AGAIN

    def end(self) -> None:
        """Let the process end, make it if it doesn't, and reap it."""
        if self not in _LIVING:
            return
        _LIVING.remove(self)
        try:
            self._control.shutdown(socket.SHUT_RDWR)  # also for forks of this process that have it
        except OSError:  # the other end is closed
            pass
        self._wait()
        self._kill()
        self._control.close()
        os.close(self._notes)

    def notes(self) -> Iterator[dict[str, Any]]:
        """What the child wrote, but for a line that it was killed in."""
        found = b""
        while piece := os.pread(self._notes, 1 << 20, len(found)):
            found += piece
        return map(json.loads, found[: found.rfind(b"\n") + 1].splitlines())

    def _write(self, note: dict[str, Any]) -> None:
        os.write(self._notes, json.dumps(note).encode("ascii") + b"\n")

    def _say(self, word: bytes, *descriptors: int) -> None:
        try:
            socket.send_fds(self._control, [word], descriptors)
        except OSError:  # it has ended
            pass

    def _expect(self, otherwise: str, *answers: bytes) -> bytes:
        __tracebackhide__ = True
        self._control.settimeout(PATIENCE)
        try:
            answer = self._control.recv(1)
        except TimeoutError:
            self._kill()
            raise ServeError(
                f"{otherwise}: it said nothing for {PATIENCE:g} seconds, and was killed"
            ) from None
        except OSError:
            answer = b""
        if answer not in answers:
            raise ServeError(f"{otherwise}: {self._how_it_ended()}")
        return answer

    def _how_it_ended(self) -> str:
        self._wait()
        self._kill()
        failed = [str(note["failed"]) for note in self.notes() if "failed" in note]
        return "\n".join([spell_status(self.status or 0), *failed])

    # -------------------------------------------------------------------------------------------- its end

    def _wait(self) -> None:
        deadline = _Real.monotonic() + PATIENCE
        while not self._has_ended() and _Real.monotonic() < deadline:
            _Real.sleep(0.002)

    def _has_ended(self) -> bool:
        if self.status is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # somebody else reaped it
            return True

    def _kill(self) -> None:
        """Kill it, if it still runs, and what it started and didn't end; reap it."""
        if self.status is not None:
            return
        for kill in (os.killpg, os.kill):  # the first finds nothing where it had no time to begin a session
            try:
                kill(self._pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            self.status = os.waitpid(self._pid, 0)[1]
        except ChildProcessError:
            self.status = -1


_LIVING: Final[list[ServerProcess]] = []
"""Those that were not ended yet."""


def _fork() -> int:
    with warnings.catch_warnings():
        # Since 3.12, where there are threads, as in one of xdist's workers.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _anonymous_file() -> int:
    """A file without a name; unlike a pipe it takes what nobody reads yet."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pytest-stateless")
    number, path = tempfile.mkstemp()
    os.unlink(path)
    return number


def _live(live: Callable[[], None]) -> None:
    """The child's whole life: it never returns to the code that forked it."""
    status = 1
    try:
        os.setsid()  # Ctrl-C is meant for the tests
        _LIVING.clear()
        live()
        status = 0
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(status)


def spell_status(status: int) -> str:
    """How a process ended, from what ``os.waitpid`` gave."""
    code = os.waitstatus_to_exitcode(status) if status >= 0 else 0
    if status < 0 or code >= 0:
        return "the process ended" + (f" with exit status {code}" if status >= 0 else "")
    try:
        return f"the process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the process was ended by signal {-code}"
