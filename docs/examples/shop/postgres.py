"""A PostgreSQL of its own for a `with` block: in a temporary directory, behind a unix socket."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote


class UnavailableError(Exception):
    """PostgreSQL can't be started; the message says why."""


@contextmanager
def server() -> Iterator[str]:
    """Start the server and give its URL; stop and remove it after the block, however that ended."""
    programs = find_programs()
    account = unprivileged_account()

    with TemporaryDirectory(prefix="shop-") as directory, open(f"{directory}/log", "w+b") as log:
        if account:
            shutil.chown(directory, account["user"], account["group"])

        def run(program: str, *arguments: str) -> None:
            command = [f"{programs}/{program}", *arguments, "--pgdata", f"{directory}/cluster"]
            if subprocess.run(command, cwd=directory, stdout=log, stderr=log, **account).returncode != 0:
                log.seek(0)
                raise UnavailableError(f"{program} failed:\n{log.read().decode(errors='replace')}")

        run("initdb", "--username=shop", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        try:
            options = f"-k '{directory}' -c listen_addresses='' -c fsync=off"
            run("pg_ctl", "start", "--wait", "--options", options)
            yield f"postgresql://shop@/postgres?host={quote(directory, safe='')}"
        finally:
            run("pg_ctl", "stop", "--mode=fast")


def find_programs() -> Path:
    """Where initdb and pg_ctl are: on the PATH, or else where Debian keeps them, in the newest version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not debian:
        raise UnavailableError("PostgreSQL is not installed: no initdb on the PATH or where Debian has it")
    return debian[-1]


def unprivileged_account() -> dict[str, Any]:
    """The account to run as, in the words of `subprocess.run`: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    import pwd

    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise UnavailableError("PostgreSQL refuses root, and there is no account `postgres`") from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
