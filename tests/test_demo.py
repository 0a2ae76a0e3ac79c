"""The demonstration shows what it promises, on real databases."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[1] / "docs" / "examples" / "shop"

pytestmark = pytest.mark.slow


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of the shop: the leaky one writes beside itself, and other runs may do so at the same time."""
    shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__", "var"))
    return tmp_path / "shop" / "demo.py"


def run(*command: str | Path) -> tuple[int, str]:
    finished = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return finished.returncode, finished.stdout


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)


def test_leaky_shop_fails_by_three_rules_and_stateless_shop_passes(demo: Path) -> None:
    status, output = run(sys.executable, demo)
    assert status == 0, output
    for rule in ("module-state", "file-write", "listening-socket"):
        assert f"\n{rule} " in output
    assert not (demo.parent / "leaky" / "var").exists()


def test_stateless_shop_passes_on_postgresql(demo: Path) -> None:
    pytest.importorskip("psycopg", exc_type=ImportError)
    status, output = run(sys.executable, demo, "--postgres")
    if "PostgreSQL is not installed" in output or "no account `postgres`" in output:
        pytest.skip(output.splitlines()[-1])
    assert status == 0, output
    assert "orders in PostgreSQL" in output
