"""Which directories are watched, from settings and an environment made by hand."""

from __future__ import annotations

import sys

import pytest

from pytest_stateless.watches.roots import Root, roots_of
from pytest_stateless.zones import Zones

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths as they are elsewhere")

SHM = Root("/dev/shm", False, False)
SHOP = Root("/srv/shop", True)
HOMES = [
    Root("/home/bob", False, False),
    *(
        Root(f"/home/bob/{name}", False, False)
        for name in (".config", ".cache", ".local/share", ".local/state")
    ),
    SHM,
]


@pytest.mark.parametrize(
    ("root", "cwd", "named", "environ", "roots"),
    [
        pytest.param("/srv/shop", "/srv/shop", [], {}, [SHOP, SHM], id="no-home"),
        pytest.param("/srv/shop", "/srv/shop/a", [], {}, [SHOP, SHM], id="below-the-root"),
        pytest.param(
            "/srv/shop", "/srv", [], {}, [SHOP, Root("/srv", False, False), SHM], id="above-the-root"
        ),
        pytest.param("/srv/shop", "/", [], {}, [SHOP, Root("/", False, False), SHM], id="at-the-top"),
        pytest.param(
            "/srv/shop", "/srv/other", [], {}, [SHOP, Root("/srv/other", True), SHM], id="elsewhere"
        ),
        pytest.param("/srv/shop", "/srv/shop", [], {"HOME": "/home/bob"}, [SHOP, *HOMES], id="home"),
        pytest.param(
            "/srv/shop",
            "/home/bob",
            [],
            {"HOME": "/home/bob"},
            [SHOP, Root("/home/bob", False, False), *HOMES[1:]],
            id="at-home",
        ),
        pytest.param("/srv/shop", "/srv/shop", [], {"HOME": "relative"}, [SHOP, SHM], id="home-is-no-path"),
        pytest.param(
            "/srv/shop",
            "/srv/shop",
            [],
            {"HOME": "/home/bob", "XDG_CACHE_HOME": "/srv/shop/cache", "XDG_DATA_HOME": "/data"},
            [SHOP, HOMES[0], HOMES[1], Root("/data", False, False), HOMES[4], SHM],
            id="folders-elsewhere",
        ),
        pytest.param(
            "/srv/shop",
            "/srv/shop",
            ["/var/lib/shop", "/srv/shop/var"],
            {},
            [SHOP, Root("/var/lib/shop", True), SHM],
            id="named",
        ),
        pytest.param(
            "/home/bob", "/home/bob", [], {"HOME": "/home/bob"}, [Root("/home/bob", True), SHM], id="all"
        ),
    ],
)
def test_roots(root: str, cwd: str, named: list[str], environ: dict[str, str], roots: list[Root]) -> None:
    assert list(roots_of(root, cwd, named, environ)) == roots


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        pytest.param("/tmp/shop/a", True, id="below-what-was-named"),
        pytest.param("/tmp/a", False, id="temporary"),
        pytest.param("/tmp/shop/tmp/a", False, id="temporary-within"),
        pytest.param("/srv/shop/a", True, id="root"),
    ],
)
def test_what_was_named_counts_like_the_root(path: str, counts: bool) -> None:
    assert Zones("/srv/shop", ("/tmp", "/tmp/shop/tmp"), ("/tmp/shop",)).count(path) is counts
