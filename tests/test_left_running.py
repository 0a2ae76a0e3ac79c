"""Runs of pytest whose tests leave something running, and their well-behaved twins."""

from __future__ import annotations

import pytest

from tests.conftest import Project

PLAIN_AND_DISTRIBUTED = pytest.mark.parametrize(
    "options", [pytest.param((), id="alone"), pytest.param(("-p", "xdist", "-n1"), id="xdist")]
)


def left(project: Project, rule: str, *options: str) -> dict[str, list[str]]:
    """The subjects that a run told of a rule, by the name of the test; other rules are another's."""
    project.run_apart("--stateless", "--stateless-report=json:leaks.json", *options)
    return {
        test["nodeid"].partition("::test_")[2]: [
            leak["subject"] for leak in test["leaks"] if leak["rule"] == rule
        ]
        for test in project.report()["tests"]
        if any(leak["rule"] == rule for leak in test["leaks"])
    }


_LEFT_AND_ENDED = """
    import threading, pytest
    from concurrent.futures import ThreadPoolExecutor

    ended = threading.Event()

    @pytest.fixture(scope="session", autouse=True)
    def server():
        made = threading.Thread(target=ended.wait, name="server")
        made.start()
        yield
        ended.set()
        made.join()

    def test_leaves_one():
        threading.Thread(target=ended.wait, name="left").start()

    def test_finds_one():
        assert threading.active_count() > 2

    def test_leaves_a_timer():
        threading.Timer(3600, print).start()

    def test_cancels_a_timer():
        made = threading.Timer(3600, print)
        made.start()
        made.cancel()

    def test_leaves_a_pool(request):
        pool = ThreadPoolExecutor()
        request.session.pool = pool
        pool.submit(ended.wait)

    def test_shuts_a_pool_down():
        with ThreadPoolExecutor() as pool:
            assert pool.submit(len, ()).result() == 0

    @pytest.fixture(scope="session", autouse=True)
    def last():
        yield
        for made in threading.enumerate():
            if type(made) is threading.Timer:
                made.cancel()
"""


@PLAIN_AND_DISTRIBUTED
def test_each_test_is_told_of_its_own_threads(options: tuple[str, ...], project: Project) -> None:
    project.write("test_shop.py", _LEFT_AND_ENDED)
    assert left(project, "thread", *options) == {
        "leaves_one": ["left"],
        "leaves_a_timer": ["Timer of print"],
        "leaves_a_pool": ["ThreadPoolExecutor-*_*"],
    }


_CHILDREN = """
    import multiprocessing, os, subprocess, time, pytest

    @pytest.fixture(scope="session", autouse=True)
    def server():
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE):
            yield

    KEPT = []

    @pytest.fixture(scope="session", autouse=True)
    def last():
        yield
        for child in KEPT:
            child.kill()
            child.wait()

    def test_leaves_one():
        KEPT.append(subprocess.Popen(["sleep", "3600"]))

    def test_finds_one():
        assert KEPT[0].poll() is None

    def test_waits_for_one():
        subprocess.run(["sleep", "0"], check=True)

    def test_leaves_a_zombie():
        KEPT.append(subprocess.Popen(["true"]))

    def test_ends_one():
        with subprocess.Popen(["sleep", "3600"]) as made:
            made.kill()

    def test_closes_a_pool():
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.map(len, ["a"]) == [1]
        pool.join()
"""


@PLAIN_AND_DISTRIBUTED
def test_each_test_is_told_of_its_own_children(options: tuple[str, ...], project: Project) -> None:
    project.write("test_shop.py", _CHILDREN)
    assert left(project, "child-process", *options) == {
        "leaves_one": ["sleep *"],
        "leaves_a_zombie": ["true"],
    }
