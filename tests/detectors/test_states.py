"""What became of a path is told by its states and by what was attempted there."""

from __future__ import annotations

import stat

import pytest

from pytest_stateless.detectors.states import describe
from pytest_stateless.noted import State, Write
from pytest_stateless.source import Sources

SOURCES = Sources("/srv/shop")
FILE = State(1, 7, stat.S_IFREG | 0o644, 10, 20, 5, 100, 100)
DIRECTORY = FILE._replace(mode=stat.S_IFDIR | 0o755)


def write(operation: str, before: State | None, other: str = "", path: str = "/srv/shop/a") -> Write:
    return Write(operation, path, other, before, None)


@pytest.mark.parametrize(
    ("writes", "now", "content", "told"),
    [
        pytest.param([], FILE._replace(modified=200), 1, "", id="written-with-the-same"),
        pytest.param([], FILE._replace(inode=8, modified=200), 1, "", id="another-file-with-the-same"),
        pytest.param([], FILE._replace(modified=200), 2, "modified", id="of-the-same-length"),
        pytest.param([], FILE._replace(inode=8), 2, "replaced", id="replaced"),
        pytest.param([], FILE._replace(modified=200), None, "modified", id="nobody-knows"),
        pytest.param(["utime"], FILE._replace(changed=200), 2, "modified", id="with-the-time-put-back"),
        pytest.param(["utime"], FILE._replace(changed=200), None, "", id="nobody-knows-but-the-time-is-back"),
        pytest.param(["modify"], FILE._replace(changed=200), None, "modified", id="seen-to-be-written"),
        pytest.param(["modify"], FILE._replace(changed=200), 1, "", id="seen-to-be-written-with-the-same"),
        pytest.param(["modify"], FILE, None, "", id="not-touched"),
        pytest.param(
            ["utime"], FILE._replace(modified=200), 1, "time of modification changed", id="the-time-alone"
        ),
        pytest.param(
            [],
            FILE._replace(inode=8, mode=stat.S_IFREG | 0o600),
            1,
            "mode changed to 0600, was 0644",
            id="the-same-with-another-mode",
        ),
    ],
)
def test_what_is_in_a_file_decides(writes: list[str], now: State, content: int | None, told: str) -> None:
    story = [write("open", FILE)._replace(content=1), *(write(operation, FILE) for operation in writes)]
    assert describe(story, now, SOURCES, content) == told


@pytest.mark.parametrize(
    ("writes", "now", "told"),
    [
        pytest.param([write("open", None)], None, "", id="nothing-came-of-it"),
        pytest.param([write("open", None)], FILE, "created", id="created"),
        pytest.param([write("mkdir", None)], DIRECTORY, "created (directory)", id="directory"),
        pytest.param([write("link", None, "/srv/shop/b")], FILE, "created (hard link to b)", id="hard-link"),
        pytest.param([write("rename-to", None, "/srv/shop/b")], FILE, "renamed from b", id="renamed-from"),
        pytest.param([write("open", FILE)], FILE, "", id="as-it-was"),
        pytest.param([write("remove", FILE)], None, "deleted", id="deleted"),
        pytest.param([write("rename-from", FILE, "/srv/shop/b")], None, "renamed to b", id="renamed-to"),
        pytest.param([write("rename-to", FILE, "/srv/shop/b")], FILE, "", id="another-name-of-the-same-file"),
        pytest.param(
            [write("rename-to", FILE, "/srv/shop/b")],
            FILE._replace(inode=8),
            "replaced by b",
            id="replaced-by",
        ),
        pytest.param([write("open", FILE)], FILE._replace(inode=8), "replaced", id="another-file"),
        pytest.param([write("open", FILE)], FILE._replace(device=2), "replaced", id="file-of-another-device"),
        pytest.param([write("open", FILE)], DIRECTORY, "replaced", id="another-kind"),
        pytest.param([write("open", FILE)], FILE._replace(size=0), "truncated", id="truncated"),
        pytest.param([write("open", FILE)], FILE._replace(size=6), "modified", id="longer"),
        pytest.param([write("open", FILE)], FILE._replace(modified=200), "modified", id="rewritten"),
        pytest.param(
            [write("utime", FILE)], FILE._replace(modified=200), "time of modification changed", id="time"
        ),
        pytest.param(
            [write("open", FILE), write("utime", FILE)],
            FILE._replace(modified=200),
            "modified",
            id="time-and-content",
        ),
        pytest.param(
            [write("open", DIRECTORY)], DIRECTORY._replace(modified=200, size=9), "", id="what-lies-in-it"
        ),
        pytest.param(
            [write("utime", DIRECTORY)],
            DIRECTORY._replace(modified=200),
            "time of modification changed",
            id="time-of-a-directory",
        ),
        pytest.param(
            [write("chmod", FILE)],
            FILE._replace(mode=stat.S_IFREG | 0o600),
            "mode changed to 0600, was 0644",
            id="mode",
        ),
        pytest.param(
            [write("chown", FILE)], FILE._replace(user=11), "owner changed to 11:20, was 10:20", id="user"
        ),
        pytest.param(
            [write("chown", FILE)], FILE._replace(group=21), "owner changed to 10:21, was 10:20", id="group"
        ),
        pytest.param(
            [write("setxattr", FILE)],
            FILE._replace(changed=200),
            "extended attributes changed",
            id="attributes",
        ),
        pytest.param([write("chmod", FILE)], FILE._replace(changed=200), "", id="mode-changed-and-back"),
        pytest.param(
            [write("open", FILE), write("chmod", FILE)],
            FILE._replace(size=6, mode=stat.S_IFREG | 0o600),
            "modified, mode changed to 0600, was 0644",
            id="both",
        ),
        pytest.param(
            [write("truncate", FILE._replace(size=0), path="/dev/shm/a")], FILE, "created", id="shared-memory"
        ),
        pytest.param(
            [write("truncate", FILE._replace(size=0))], FILE, "modified", id="empty-file-gets-a-length"
        ),
        pytest.param(
            [write("truncate", FILE, path="/dev/shm/a")],
            FILE._replace(size=9),
            "modified",
            id="memory-of-before",
        ),
    ],
)
def test_what_happened_is_told(writes: list[Write], now: State | None, told: str) -> None:
    assert describe(writes, now, SOURCES) == told
