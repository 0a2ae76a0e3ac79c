"""The suites, pinned, with what each truly leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.suites.suite import Suite

PYTEST: Final = "pytest==8.4.2"

SUITES: Final = {
    "itsdangerous": Suite(
        ("itsdangerous==2.2.0", "freezegun==1.5.5", PYTEST),
        (),
        at_least=290,
    ),
    "flask": Suite(
        ("flask==3.1.3", "flask[async,dotenv]==3.1.3", "click==8.1.8", "werkzeug==3.1.3", PYTEST),
        (
            (
                "interpreter-state:sys.path",
                "prepare_import() and the commands put the application's directory on the path",
            ),
        ),
        at_least=480,
    ),
    "jinja2": Suite(
        ("jinja2==3.1.6", "trio==0.31.0", PYTEST),
        (("file-write:tests/res/templates/test.html", "a test of the loader sets the time of a template"),),
        at_least=900,
    ),
    "django_shop": Suite(
        ("django==5.2.19", "djangorestframework==3.18.3", "pytest-django==4.14.0", PYTEST),
        (
            (
                "module-state:*rate:*",
                "shop/rates.py keeps rates of exchange in the cache of the process; the next worker asks again",
            ),
        ),
        project=Path(__file__).parent / "django_shop",
        at_least=65,
    ),
    "click": Suite(("click==8.5.1", PYTEST), at_least=2400),
    "werkzeug": Suite(
        (
            *("werkzeug==3.1.9", "cffi", "cryptography", "ephemeral-port-reserve==1.1.4"),
            *("pytest-timeout==2.4.0", "watchdog==6.0.0", PYTEST),
        ),
        (
            (
                "module-state:werkzeug.security._os_alt_*",
                "test_safe_join_os_sep puts the value back under a misspelt name, so the changed one stays",
            ),
            (
                "module-state:werkzeug.debug.console._*",
                "the console that ran last stays the one of its context",
            ),
            ("module-state:test_local._cv_val", "a test sets a context variable and leaves it"),
            (
                "interpreter-state:builtins._",
                "the debugger's console displays a value with Python's own hook, which keeps it",
            ),
        ),
        at_least=970,
    ),
    "starlette": Suite(
        (
            *("starlette==1.0.1", "starlette[full]==1.0.1", "httpx==0.28.1", "anyio==4.11.0", "trio==0.31.0"),
            *("typing_extensions==4.15.0", PYTEST),
        ),
        (
            (
                "module-state:tests.*.middleware_stack",
                "the first request builds the middleware of an application, which keeps it",
            ),
            ("module-state:starlette.config.environ._has_been_read", "it remembers what was read, for good"),
            (
                "interpreter-state:os.environ['TESTING']",
                "test_environ sets a variable of the environment and leaves it",
            ),
            (
                "module-state:starlette.convertors.CONVERTOR_TYPES['datetime']",
                "register_url_convertor() registers it for the whole process",
            ),
        ),
        without=(
            (
                "tests/test_staticfiles.py::test_staticfiles_with_invalid_dir_permissions_returns_401",
                "root may read every directory",
            ),
        ),
        at_least=930,
    ),
    "httpx": Suite(
        (
            *("httpx==0.28.1", "httpx[brotli,cli,http2,socks]==0.28.1", "anyio==4.11.0", "click==8.1.8"),
            *("chardet==5.2.0", "cryptography", "trio==0.31.0", "trustme==1.2.1", "uvicorn==0.38.0"),
            *("zstandard==0.25.0", PYTEST),
        ),
        (
            (
                "module-state:httpx._transports.default.HTTPCORE_EXC_MAP",
                "the first request fills the table and keeps it; with httpx as a dependency it is a first use",
            ),
            (
                "interpreter-state:sys.modules['http*']",
                "a test of lazy loading removes both and imports them anew",
            ),
            ("file-write:test", "the file for the keys of TLS, which the variable of the environment names"),
            (
                "async-task:app (tests/conftest.py)",
                "the server still answers a request that its client gave up; told where tasks of all threads are seen",
            ),
        ),
        without=(
            *(
                (f"tests/client/test_proxies.py::{test}", "needs the network: it connects to a proxy by name")
                for test in ("test_async_proxy_close", "test_sync_proxy_close")
            ),
            (
                "tests/test_timeouts.py::test_write_timeout[trio]",
                "fails without the plugin too: trio tells of a generator that httpx didn't close",
            ),
        ),
        not_on=(
            (
                "3.15",
                "zstandard doesn't build, and without it one file of tests fails and others miss a header",
            ),
        ),
        at_least=1400,
    ),
    "attrs": Suite(
        ("attrs==26.1.0", "cloudpickle==3.1.1", "hypothesis==6.140.0", "pympler==1.1", PYTEST),
        (
            (
                "module-state:pympler.asizeof.*",
                "pympler, which the suite measures with, keeps what it found out of every class",
            ),
            (
                "module-state:attr._compat.repr_context.already_repring",
                "the set of what is being shown stays with the thread, empty",
            ),
        ),
        without=(
            (
                "tests/test_converters.py::TestPipe::test_wrapped_annotation",
                "fails on Python 3.12.1 without the plugin too",
            ),
        ),
        at_least=1370,
    ),
    "requests": Suite(
        (
            *("requests==2.34.2", "requests[socks]==2.34.2", "httpbin==0.10.4", "pytest-httpbin==2.1.0"),
            *("pytest-mock==3.17.0", "trustme==1.2.1", PYTEST),
        ),
        (
            (
                "interpreter-state:os.environ['NETRC']",
                "test_basicauth_with_netrc_leak sets it to nothing where it wasn't set",
            ),
        ),
        without=tuple(
            (f"tests/test_requests.py::TestTimeout::{test}", "needs the network: it connects to an address")
            for test in ("test_connect_timeout", "test_total_timeout_connect")
        ),
        at_least=625,
    ),
    "marshmallow": Suite(
        ("marshmallow==4.4.0", "simplejson==4.3.0", PYTEST),
        (
            (
                "module-state:marshmallow.class_registry._registry*",
                "a schema that a test defines stays registered for good, unless its Meta says register = False",
            ),
        ),
        at_least=1190,
    ),
}
"""By name. The first ones are quick."""
