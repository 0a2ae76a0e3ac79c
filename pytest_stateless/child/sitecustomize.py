"""Loaded by the Python children of a checked test: it tells what they write. For any Python, and of no dependency.

The folder that it lies in stands first in PYTHONPATH. It takes itself out of sight, and makes way for the real one.
"""

import os
import sys

_FOLLOW = ("open", "truncate", "chmod", "chown", "utime", "setxattr")
_EVENTS = {
    "open": (("open", 0, None),),
    "sqlite3.connect": (("open", 0, None),),
    "os.mkdir": (("mkdir", 0, 2),),
    "os.remove": (("remove", 0, 1),),
    "os.rmdir": (("rmdir", 0, 1),),
    "os.rename": (("rename-from", 0, 2, 1, 3), ("rename-to", 1, 3, 0, 2)),
    "os.link": (("link", 1, 3, 0, 2),),
    "os.symlink": (("symlink", 1, 2),),
    "os.truncate": (("truncate", 0, None),),
    "os.chmod": (("chmod", 0, 2),),
    "os.chown": (("chown", 0, 3),),
    "os.utime": (("utime", 0, 3),),
    "os.setxattr": (("setxattr", 0, None),),
    "os.removexattr": (("setxattr", 0, None),),
}
"""What an event attempts: the operation, and where among its arguments the path is and the descriptor of the directory
that it starts from; and the same of the other path of a rename or a link."""
_STARTING = ("subprocess.Popen", "os.system", "os.exec")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = ("open", "remove", "rename-from", "rename-to", "link-from", "truncate")
_SHORT = 1 << 18  # bytes, read in a tenth of a millisecond
_DEPTH = 60  # frames


class _Real(object):
    """Held where no mock of the program's replaces them."""

    lstat, readlink, getcwd = os.lstat, os.readlink, os.getcwd
    open, read, write, close, fstat, listdir = os.open, os.read, os.write, os.close, os.fstat, os.listdir
    path = os.path


def _watch(report, start):
    if not hasattr(sys, "addaudithook"):  # before 3.8
        return
    from _thread import get_ident

    busy = set()
    reach = []  # once this child starts another
    told = [report, start]

    def after_fork():
        try:
            told[:] = _asked_for_now(sys._getframe(1), *told)
        except BaseException:  # as below
            pass

    os.register_at_fork(after_in_child=after_fork)

    def hook(event, args):
        if not (event in _EVENTS or event in _STARTING or reach) or get_ident() in busy:
            return
        busy.add(get_ident())
        try:
            if reach:
                reach[0].come_back()
            if event in _EVENTS:
                for record in _attempts(event, args):
                    _append(told[0], ascii([*record, _stack(sys._getframe(1)), _command(), told[1]]))
            elif event in _STARTING:
                if not reach:
                    reach.append(_reach(*told))
                reach[0].note(event, args)
        except BaseException:  # whatever it is, the program must not see it
            pass
        finally:
            busy.discard(get_ident())

    sys.addaudithook(hook)


def _asked_for_now(frame, report, start):
    """Where a forked child reports. The server of multiprocessing forks for a later test than that which started it."""
    if frame.f_code.co_name != "main" or frame.f_globals.get("__name__") != "multiprocessing.forkserver":
        return report, start
    folder = _Real.path.dirname(report)
    return _Real.path.join(folder, str(int(_read(_Real.path.join(folder, "window")))) + ".txt"), "None"


def _read(file):
    number = _Real.open(file, os.O_RDONLY)
    try:
        return _Real.read(number, _Real.fstat(number).st_size)
    finally:
        _Real.close(number)


def _reach(report, start):
    """What makes the children of this child load the hook too; it is read when there is one."""
    name = _Real.path.join(_Real.path.dirname(report), "reaching.py")
    text = _read(name)
    names = {"__name__": "pytest_stateless.reaching"}
    exec(compile(text, name, "exec"), names)
    return names["Reach"](report, start)


def _append(report, text):
    """A whole line, by one call: it is there even if the next thing that happens is the end of the process."""
    number = _Real.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        _Real.write(number, (text + "\n").encode("ascii"))
    finally:
        _Real.close(number)


def _attempts(event, args):
    """Operation, path, other path, the state of the path before, and what stands for what is in it."""
    if event == "open" and not (isinstance(args[2], int) and args[2] & _WRITING):
        return
    for row in _EVENTS[event]:
        path = _resolve(event, args, *row[1:3])
        if path is None:
            continue
        other = _resolve(event, args, *row[3:5]) if len(row) > 3 else ""
        yield _attempt(row[0], path, other or "")
        if row[0] in _FOLLOW and _Real.path.islink(path):
            end = _Real.path.realpath(path)
            yield _attempt(row[0], end, other or "")


def _attempt(operation, path, other):
    before = _look(path)
    return operation, path, other, before, _content(path, before) if operation in _CHANGING else None


def _content(path, state):
    """Stands for what is in a short file; None where it is open here: to close it once more would free its locks."""
    if state is None or state[2] & 0o170000 != 0o100000 or state[5] > _SHORT:
        return None
    try:
        from zlib import crc32

        for number in _Real.listdir("/proc/self/fd"):
            if _is_of(int(number), state):
                return None
        number = _Real.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return crc32(_Real.read(number, _SHORT))
        finally:
            _Real.close(number)
    except (ImportError, OSError):  # no zlib, no /proc, or closed to us
        return None


def _is_of(number, state):
    try:
        it = _Real.fstat(number)
    except OSError:  # the one that listed the directory
        return False
    return [it.st_dev, it.st_ino] == state[:2]


def _resolve(event, args, position, directory):
    """The absolute path that an argument means; None where it names no file."""
    given = args[position]
    if isinstance(given, int):
        return _target(given)
    given = str.__str__(os.fsdecode(given))  # of a subclass, its plain text
    if event == "sqlite3.connect" and (given in ("", ":memory:") or given.startswith("file:")):
        return None
    base = args[directory] if directory is not None and directory < len(args) else -1
    start = _target(base) if isinstance(base, int) and base >= 0 else _Real.getcwd()
    return None if start is None else _Real.path.normpath(_Real.path.join(start, given))


def _target(descriptor):
    found = _Real.readlink("/proc/self/fd/" + str(descriptor))
    return found if found.startswith("/") and not found.endswith(" (deleted)") else None


def _look(path):
    try:
        it = _Real.lstat(path)
    except (OSError, ValueError):
        return None
    who = [it.st_dev, it.st_ino, it.st_mode, it.st_uid, it.st_gid]
    return [*who, it.st_size, it.st_mtime_ns, it.st_ctime_ns]


def _stack(frame):
    found = []
    while frame is not None and len(found) < _DEPTH:
        found.append([frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name])
        frame = frame.f_back
    return found


def _command():
    words = getattr(sys, "orig_argv", None) or [sys.executable, *getattr(sys, "argv", [])]
    return [str(word) for word in words[:8]]


def _out_of_sight(folder):
    first, _, rest = os.environ.get("PYTHONPATH", "").partition(os.pathsep)
    if os.path.realpath(first) == folder:
        if rest:
            os.environ["PYTHONPATH"] = rest
        else:
            del os.environ["PYTHONPATH"]
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != folder]
    for entry in list(sys.path_importer_cache):
        if os.path.realpath(entry) == folder:
            del sys.path_importer_cache[entry]


try:
    _report = os.environ.pop("PYTEST_STATELESS_REPORT", None)
    _start = os.environ.pop("PYTEST_STATELESS_START", "None")
    _out_of_sight(os.path.dirname(os.path.realpath(__file__)))
    if _report is not None:
        _watch(_report, _start)
except Exception:  # the child runs, and says less
    pass

sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401 - the real one; where there is none, the program sees none
