"""The set-up's own script, on machines that lack what it needs: pretended by a PATH of our own."""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing is installed."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup.sh", "scripts/fetch_pip.py", "pyproject.toml", "uv.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def set_up(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(checkout)}
    command = ["sh", str(checkout / "scripts/setup.sh")]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False)


def python_that_says(checkout: Path, answer: str) -> str:
    path = checkout / "python-of-old"
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit 1\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_named_with_what_to_do(checkout: Path) -> None:
    old = python_that_says(checkout, "3.9.18 /usr/bin/python3.9")
    said = set_up(checkout, PYTHON=old)
    assert said.returncode == 1
    assert "Tiltyard needs Python 3.11 to 3.14" in said.stderr
    assert "3.9.18 /usr/bin/python3.9" in said.stderr
    assert "make PYTHON=" in said.stderr


def test_a_python_that_is_not_there_is_named(checkout: Path) -> None:
    said = set_up(checkout, PYTHON="python-that-nobody-has")
    assert said.returncode == 1
    assert "python-that-nobody-has: does not start" in said.stderr


def test_what_is_set_up_is_not_set_up_again(checkout: Path) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    sums = subprocess.run(
        "cat pyproject.toml uv.lock | cksum",
        shell=True,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    (checkout / ".venv/.set-up-run").write_text(f"{checkout}  {sums.stdout.strip()}")
    assert set_up(checkout, PYTHON="python-that-nobody-has").returncode == 0
    with (checkout / "uv.lock").open("a") as lock:
        lock.write("# changed\n")
    assert set_up(checkout, PYTHON="python-that-nobody-has").returncode == 1


@pytest.fixture
def fetch_pip() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_pip", ROOT / "scripts/fetch_pip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = """<a href="../files/pip-9.0.3-py3-none-any.whl#sha256=aa">old</a>
<a href="../files/pip-26.3-py3-none-any.whl#sha256={digest}">new</a>
<a href="../files/pip-27.0-py3-none-any.whl#sha256=bb" data-yanked="">withdrawn</a>
<a href="../files/pip-28.0b1-py3-none-any.whl#sha256=cc">to come</a>
<a href="../files/pip-26.3.tar.gz#sha256=dd">source</a>"""


def index(folder: Path, digest: str) -> str:
    (folder / "simple/pip").mkdir(parents=True)
    (folder / "simple/files").mkdir()
    (folder / "simple/pip/index.html").write_text(PAGE.format(digest=digest))
    (folder / "simple/files/pip-26.3-py3-none-any.whl").write_bytes(b"a wheel")
    return (folder / "simple").as_uri()


@pytest.fixture
def read_folder(fetch_pip: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder answer as a web server does: with its index.html."""
    read = fetch_pip.read
    monkeypatch.setattr(fetch_pip, "read", lambda url: read(url + "index.html" if url.endswith("/") else url))


@pytest.mark.usefixtures("read_folder")
def test_the_newest_pip_that_was_not_withdrawn_is_fetched(fetch_pip: ModuleType, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"a wheel").hexdigest()
    fetch_pip.main(index(tmp_path, digest), str(tmp_path / "tools"))
    assert (tmp_path / "tools/pip-26.3-py3-none-any.whl").read_bytes() == b"a wheel"


@pytest.mark.usefixtures("read_folder")
def test_a_pip_that_is_not_what_the_index_promises_is_refused(fetch_pip: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="SHA-256 differs"):
        fetch_pip.main(index(tmp_path, "0" * 64), str(tmp_path / "tools"))
    assert not (tmp_path / "tools").exists()
