"""A command line is told in a line, and what may be secret in it isn't."""

from __future__ import annotations

import base64
import json
import random
import shlex
import string
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_stateless.commands import HIDDEN, command_of, spell_command

if TYPE_CHECKING:
    from tests.conftest import Project


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["/usr/bin/python3", "a.py", "b"], "python3 a.py b", id="program-by-its-name"),
        pytest.param(
            ["python", "-c", "import os\nos.mkdir('a')"], "python -c import os os.mkdir('a')", id="lines"
        ),
        pytest.param(["python", "x-" * 100], "python " + "x-" * 45 + "...", id="long"),
        pytest.param([], "", id="nothing"),
        pytest.param(["/opt/a b/run", "c"], "a b/run"[4:] + " c", id="space-in-the-path"),
        pytest.param(["/usr/bin/make -j2 all"], "make -j2 all", id="text-for-a-shell"),
    ],
)
def test_a_command_is_told_in_a_line(words: list[str], text: str) -> None:
    assert spell_command(words) == text


@pytest.mark.parametrize(
    "line",
    [
        "sh -c echo tea > export.csv",
        "gunicorn shop.wsgi:application --bind 127.0.0.1:8000 --workers=4",
        "tar xzf /srv/data/2024-01-02-backup.tar.gz",
        "python -m concurrent.futures.ThreadPoolExecutor",
        "python -m pip install -r requirements-dev.txt --index-url https://example.org/simple",
        "node /usr/lib/python3.13/site-packages/x86_64-linux-gnu/render_page.js",
        "rsync bob@host:/srv/export .",
        "git clone git@example.org:shop/orders.git",
        "python -c from multiprocessing.resource_tracker import main;main(5)",
        "docker run -p 80:80 --author bob shop",
        "ffmpeg -i in.mp4 -vf scale=1280:720 out.mp4",
    ],
)
def test_what_is_no_secret_is_told(line: str) -> None:
    assert spell_command(line.split(" ")) == line
    assert spell_command([line]) == line


S = "hunter2"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["x", f"--password={S}"], "x --password=***", id="option"),
        pytest.param(["x", "--api-key", f"{S} {S}", "go"], "x --api-key *** go", id="option-and-word"),
        pytest.param(["x", "-accessToken", S], "x -accessToken ***", id="one-dash"),
        pytest.param(["env", f"TOKEN={S}", "DEBUG=1", "x"], "env TOKEN=*** DEBUG=*** x", id="variables"),
        pytest.param([f"A={S} x -y"], "A=*** x -y", id="variable-for-a-shell"),
        pytest.param(["psql", f"postgres://u:{S}@h/db"], "psql postgres://***@h/db", id="url"),
        pytest.param(["psql", f"postgres://u:a/b@{S}@h/db"], "psql postgres://***@h/db", id="url-unescaped"),
        pytest.param(["x", f"u:{S}@h"], "x ***@h", id="no-scheme"),
        pytest.param(["x", f"https://h/?a=1&token={S}&b=2"], "x https://h/?a=1&token=***", id="query"),
        pytest.param(["psql", f"host=h password={S} user=u"], "psql host=h password=*** user=u", id="dsn"),
        pytest.param(["curl", "-H", f"Authorization: Bearer {S}"], "curl -H Authorization:***", id="header"),
        pytest.param([f"curl -H 'Cookie: a={S}; b={S}' h"], "curl -H Cookie:*** h", id="quoted-header"),
        pytest.param(["x", f"Bearer {S}"], "x Bearer ***", id="bearer"),
        pytest.param(["x", json.dumps({"password": S, "a": 1})], 'x {"password": *** "a": 1}', id="json"),
        pytest.param(["python", "-c", f"c(password='{S} {S}', p=3)"], "python -c c(password=*** p=3)", id="code"),
        pytest.param(["python", "-c", f"e['SECRET_KEY'] = '{S}'"], "python -c e['SECRET_KEY'] = ***", id="key"),
        pytest.param(["curl", "-u", f"bob:{S}", "h"], "curl -u bob:*** h", id="user"),
        pytest.param(["curl", f"-ubob:{S}", "h"], "curl -ubob:*** h", id="attached-user"),
        pytest.param(["mysql", "-uroot", f"-p{S}", "-P", "33"], "mysql -uroot -p*** -P 33", id="mysql"),
        pytest.param(["sshpass", "-p", S, "ssh", "h"], "sshpass -p *** ssh h", id="sshpass"),
        pytest.param([f"sshpass -p {S} ssh h"], "sshpass -p *** ssh h", id="sshpass-for-a-shell"),
        pytest.param([f"cd a && mysql -p'{S}' b"], "cd a && mysql -p*** b", id="mysql-for-a-shell"),
        pytest.param(["x", "-d", f'{{"password": "a:b@c {S}"}}'], 'x -d {"password": ***', id="json-like-a-url"),
        pytest.param(["x", f"-----BEGIN PRIVATE KEY-----\n{S}"], "x ***", id="pem"),
    ],
)  # fmt: skip
def test_what_may_be_secret_is_hidden(words: list[str], text: str) -> None:
    assert spell_command(words) == text
    assert S in spell_command(words, show_values=True)


def test_a_text_that_is_cut_hides_what_the_cut_went_through() -> None:
    assert spell_command(["x", "postgres://" + "u" * 5000 + ":a@h"]) == "x ***"
    assert spell_command(["x", "y" * 1998, "b"]).startswith("x yyy")


def test_a_command_is_compared_as_it_was_given() -> None:
    command = command_of(["/bin/x", f"--token={S}", Path("/tmp/pytest-of-bob/pytest-3/a"), b"b", 7], True)
    assert command.line == f"/bin/x --token={S} /tmp/pytest-of-bob/pytest-3/a b ?"
    assert command.name == "x --token=*** <tmp>/a b ?"
    assert command.told == f"x --token={S} /tmp/pytest-of-bob/pytest-3/a b ?"
    assert command_of("/bin/x b").told == "x b"


# ------------------------------------------------------------------------------------------- whatever it may be

MARK = "\N{GREEK SMALL LETTER ZETA}"
SECRETS = st.text(st.sampled_from(string.printable.replace("\0", "")), min_size=1, max_size=20).map(
    lambda text: MARK + "".join(letter + MARK for letter in text)
)
"""With a mark beside every letter, so that not even a part of it can hide."""
WITHOUT_SPACE = SECRETS.map(lambda text: "".join(text.split()))
NAMES = st.sampled_from(
    ("password", "db_password", "passwd", "PGPASSWORD", "api-key", "apiKey", "X-Api-Key", "SECRET_KEY", "token",
     "access_token", "client.secret", "Authorization", "Cookie", "session-id", "credentials", "jwt", "pin")
)  # fmt: skip
WORDS: dict[str, Callable[[str, str], list[str]]] = {
    "option": lambda name, secret: [f"--{name}={secret}"],
    "option-and-word": lambda name, secret: [f"--{name}", secret],
    "one-dash": lambda name, secret: [f"-{name}", secret],
    "assignment": lambda name, secret: [f"{name}={secret}"],
    "variable": lambda name, secret: [f"LEVEL={secret}"],
    "header": lambda name, secret: ["-H", f"{name}: {secret}"],
    "json": lambda name, secret: ["-d", json.dumps({name: secret}, ensure_ascii=False)],
    "code": lambda name, secret: ["-c", f"f({name} = {secret!r})"],
    "key": lambda name, secret: ["-c", f"e[{name!r}]={secret!r}"],
    "call": lambda name, secret: ["-c", f"set_{name}({secret!r})"],
    "user": lambda name, secret: ["-u", f"bob:{secret}"],
    "mysql": lambda name, secret: ["mysql", f"-p{secret}"],
    "sshpass": lambda name, secret: ["sshpass", "-p", secret],
    "pem": lambda name, secret: [f"-----BEGIN KEY-----\n{secret}\n"],
}
WHOLE: dict[str, Callable[[str, str], list[str]]] = {
    "url": lambda name, secret: [f"postgres://u:{secret}@h/db"],
    "url-without-password": lambda name, secret: [f"https://{secret}@h/db"],
    "no-scheme": lambda name, secret: [f"bob:{secret}@h"],
    "dsn": lambda name, secret: [f"host=h {name}={secret} user=u"],
    "bearer": lambda name, secret: [f"Bearer {secret}"],
}


def hides(words: list[str]) -> None:
    told = spell_command(words)
    assert MARK not in told, told
    assert HIDDEN in told or len(told) == 100


@pytest.mark.parametrize("shape", WORDS)
@settings(deadline=None, max_examples=50)
@given(name=NAMES, secret=SECRETS, before=st.lists(st.sampled_from(("run", "-v", "--port=80", "a b"))))
def test_no_secret_is_told(shape: str, name: str, secret: str, before: list[str]) -> None:
    words = WORDS[shape](name, secret)
    hides(["x", *before, *words, "last"])
    hides(["env", "python", *words])


@pytest.mark.parametrize("shape", WORDS)
@settings(deadline=None, max_examples=50)
@given(name=NAMES, secret=SECRETS)
def test_no_secret_is_told_of_a_text_for_a_shell(shape: str, name: str, secret: str) -> None:
    line = shlex.join(["x", *WORDS[shape](name, secret), "last"])
    hides([line])
    hides(["sh", "-c", f"cd a && {line}"])


@pytest.mark.parametrize("shape", WHOLE)
@settings(deadline=None, max_examples=50)
@given(name=NAMES, secret=WITHOUT_SPACE.filter(lambda text: not set(text) & set("'\"\\")))
def test_no_secret_is_told_that_stands_within_a_word(shape: str, name: str, secret: str) -> None:
    words = ["x", *WHOLE[shape](name, secret)]
    hides(words)
    hides([shlex.join(words)])


def _letters(letters: str, length: int) -> Callable[[random.Random], str]:
    return lambda source: "".join(source.choices(letters, k=length))


KINDS: dict[str, Callable[[random.Random], str]] = {
    "uuid": lambda source: str(uuid.UUID(bytes=source.randbytes(16))),
    "hex": lambda source: source.randbytes(16).hex(),
    "url": lambda source: base64.urlsafe_b64encode(source.randbytes(24)).decode(),
    "base64": lambda source: base64.b64encode(source.randbytes(30)).decode(),
    "base62": _letters(string.ascii_letters + string.digits, 20),
    "prefixed": lambda source: "ghp_" + _letters(string.ascii_letters + string.digits, 36)(source),
    "base32": _letters(string.ascii_uppercase + "234567", 32),
    "lower": _letters(string.ascii_lowercase + string.digits, 20),
    "jwt": lambda source: ".".join(base64.urlsafe_b64encode(source.randbytes(24)).decode() for _ in range(3)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_random_texts_are_hidden_by_their_looks(kind: str) -> None:
    source = random.Random(7)
    made = [KINDS[kind](source) for _ in range(1000)]
    missed = [one for one in made if spell_command(["x", one]) != "x ***"]
    assert len(missed) <= 20, missed


# ------------------------------------------------------------------------------------------------- in a report

TESTS = f"""
import os, socket, subprocess, sys
import pytest
LEFT = []
SLEEP = [sys.executable, "-c", "import time; time.sleep(9)"]
LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', 0)); print(1, flush=True); time.sleep(9)"
@pytest.fixture(autouse=True)
def end():
    yield
@pytest.mark.stateless
def test_write(): subprocess.run(["sh", "-c", "echo x > new; true --token={S}"])
@pytest.mark.stateless
def test_python(): subprocess.run([sys.executable, "-c", "open('made', 'w')", "--token", "{S}"])
@pytest.mark.stateless
def test_system(): os.system("PASSWORD={S} touch touched")
@pytest.mark.stateless
def test_running(): LEFT.append(subprocess.Popen([*SLEEP, "postgres://u:{S}@h/db"]))
@pytest.mark.stateless
def test_zombie(): subprocess.Popen(["true", "--token={S}"])
@pytest.mark.stateless
def test_listening():
    LEFT.append(subprocess.Popen([sys.executable, "-c", LISTEN, "--token={S}"], stdout=subprocess.PIPE))
    LEFT[-1].stdout.readline()
def test_end():
    for child in LEFT:
        child.kill()
        child.communicate()
"""
REPORTS = ("--stateless-report=json:leaks.json", "--stateless-report=github:leaks.txt")


@pytest.mark.slow
@pytest.mark.parametrize("shows", [False, True], ids=["hidden", "shown"])
def test_no_report_tells_a_secret(shows: bool, project: Project) -> None:
    project.write("test_shop.py", TESTS)
    options = ["-v", "-s", "-p", "no:cacheprovider", "--junit-xml=plain.xml", "-W", "ignore"]
    more = ["--stateless-show-values"] if shows else []
    ran = project.run_apart(*options, *more, *REPORTS)
    found = {leak["rule"] for test in project.report()["tests"] for leak in test["leaks"]}
    assert {"file-write", "child-process", "listening-socket"} <= found
    texts: dict[str, Any] = {"terminal": ran.stdout.str() + ran.stderr.str()}
    texts |= {name: (project.path / name).read_text() for name in ("leaks.json", "leaks.txt", "plain.xml")}
    assert {name: S in text for name, text in texts.items()} == dict.fromkeys(texts, shows)
    subjects = [leak["subject"] for test in project.report()["tests"] for leak in test["leaks"]]
    assert not [subject for subject in subjects if S in subject]
