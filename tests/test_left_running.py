"""Runs of pytest whose tests leave something running, and their well-behaved twins."""

from __future__ import annotations

import sys

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
        made.join()

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


_BY_CHILDREN = """
    import ctypes, os, pathlib, signal, socket, subprocess, sys, time, pytest

    NAME = f"stateless-{os.getpid()}"
    PIDS = pathlib.Path(__file__).with_name("pids")
    SHARE = (
        "from multiprocessing import resource_tracker, shared_memory;"
        f"made = shared_memory.SharedMemory('{NAME}' + HOW, create=True, size=16);"
    )
    LEAVE = "resource_tracker.unregister(made._name, 'shared_memory');"  # as if the tracker had been killed
    END = "resource_tracker._resource_tracker._stop()"  # the tracker doesn't outlive who started it
    BY_NUMBER = "import ctypes, os; n = ctypes.CDLL(None).shmget(0, 64, 0o1600); assert n >= 0; print(n)"
    LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(flush=True); time.sleep(60)"

    def run(text):
        return subprocess.run([sys.executable, "-c", text], check=True, stdout=subprocess.PIPE, text=True).stdout

    @pytest.fixture(scope="session", autouse=True)
    def last(request):
        yield
        ctypes.CDLL(None).shmctl(request.session.number, 0, None)
        for name in os.listdir("/dev/shm"):
            if name.startswith(NAME):
                os.unlink(f"/dev/shm/{name}")
        for line in PIDS.read_text().split():
            os.kill(int(line), signal.SIGKILL)

    def daemon(act):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            inner = os.fork()
            if inner:
                with PIDS.open("a") as file:
                    print(inner, file=file)
                os._exit(0)
            os.dup2(writing, 1)
            act()
            os._exit(0)
        os.waitpid(child, 0)
        os.read(reading, 1)
        os.close(reading)
        os.close(writing)

    def runs(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def test_shares():
        run(f"HOW = 'a';{SHARE}{LEAVE}{END}")

    def test_shares_and_cleans_up():
        run(f"HOW = 'b';{SHARE}made.unlink();{END}")

    def test_shares_by_number(request):
        request.session.number = int(run(BY_NUMBER))

    def test_removes_by_number():
        ctypes.CDLL(None).shmctl(int(run(BY_NUMBER)), 0, None)

    def test_starts_a_daemon():
        daemon(lambda: os.execv(sys.executable, [sys.executable, "-c", LISTEN]))

    def test_forks_a_daemon():
        def serve():
            server = socket.create_server(("127.0.0.1", 0))
            os.write(1, b"x")
            time.sleep(60)
        daemon(serve)

    def test_finds_them():
        assert len(PIDS.read_text().split()) == 2
        subprocess.run(["true"], check=True)

    def test_ends_its_daemon():
        daemon(lambda: os.write(1, b"x"))
        *lines, ended = PIDS.read_text().split()
        while runs(ended):
            time.sleep(0.001)
        PIDS.write_text("\\n".join(lines) + "\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="told by /proc")
def test_what_children_leave_is_told_of_the_test_that_started_them(project: Project) -> None:
    project.write("test_shop.py", _BY_CHILDREN)
    project.run_apart(
        "--stateless", "--stateless-allow=file-write:pids", "--stateless-report=json:leaks.json"
    )
    told = {
        test["nodeid"].partition("::test_")[2]: [
            f"{leak['rule']} by {leak['origin']['function']}" for leak in test["leaks"]
        ]
        for test in project.report()["tests"]
        if test["leaks"]
    }
    assert told == {
        "shares": ["shared-memory by run"],
        "shares_by_number": ["shared-memory by run"],
        "starts_a_daemon": ["listening-socket by daemon", "child-process by daemon"],
        "forks_a_daemon": ["listening-socket by daemon", "child-process by daemon"],
    }


@pytest.mark.skipif(sys.platform != "linux", reason="children are told by the kernel")
def test_pools_of_wider_fixtures_leave_nothing_behind(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        import pytest

        @pytest.fixture(scope="session")
        def threads():
            with ThreadPoolExecutor(2) as pool: yield pool
        @pytest.fixture(scope="session")
        def processes():
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool: yield pool
        @pytest.fixture
        def own(request):
            request.session.kept = ThreadPoolExecutor(1)
            return request.session.kept
        def test_own(own): assert own.submit(len, "tea").result() == 3
        def test_threads(threads): assert threads.submit(len, "tea").result() == 3
        def test_processes(processes): assert processes.submit(len, "tea").result() == 3
        """,
    )
    assert left(project, "thread", "--stateless-no-blame") == {"own": ["ThreadPoolExecutor-*_*"]}
    assert left(project, "child-process", "--stateless-no-blame") == {}
