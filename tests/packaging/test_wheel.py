"""What is built installs and runs without the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_ADDRESS: Final = "127.0.0.1:7700"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sdist is, built from the tree, and the wheel, built from nothing but the sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def sources(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the sdist unpacks to."""
    (built,) = dist.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sources")
    with tarfile.open(built) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an empty environment with the wheel installed."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, *install, *constraints, f"{wheel}[server,embedded]"], check=True)
    return home / "bin"


class Served(NamedTuple):
    """A server of the installed wheel: the folder that it runs in, and its address."""

    folder: Path
    address: str


@pytest.fixture(scope="module")
def served(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`sessiond serve --dev`, on a port that is free: on a machine in use 7700 may not be."""
    folder = tmp_path_factory.mktemp("dev")
    command = [str(scripts / "sessiond"), "serve", "--dev", "--listen", "127.0.0.1:0"]
    log = folder / "log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert server.stdout
        printed = ""
        for line in server.stdout:
            printed += line
            if line.startswith("try"):
                break
        found = re.search(r"serves on (\S+:\d+)", printed)
        assert found, log.read_text()
        yield Served(folder, found[1])
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert server.returncode == 0


def _run(served: Served, *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=served.folder,
        env={**os.environ, "SESSIONSTORE_ADDRESS": served.address},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_wheel_ships_two_packages_and_the_scripts(wheel: Path) -> None:
    """No top-level package but ours, every Lua script, and the marks of typed packages."""
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"sessionstore", "sessiond"}
    for path in (ROOT / "server/sessiond/store/lua").rglob("*.lua"):
        assert str(path.relative_to(ROOT / "server")) in names
    assert {"sessionstore/py.typed", "sessiond/py.typed"} <= names


def test_the_sdist_carries_what_it_takes_to_run_and_deploy(sources: Path) -> None:
    """Contract, documentation, examples, what deploys it, and whatever the README links to."""
    for name in ("proto", "docs", "examples", "deploy", "Dockerfile", "docker-compose.yml"):
        assert (sources / name).exists(), name
    for name in ("LICENSE", "CHANGELOG.md", "README.md", "constraints.txt"):
        assert (sources / name).is_file(), name
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (sources / "README.md").read_text())
    assert [link for link in links if not (sources / link).exists()] == []


@pytest.mark.timeout(300)
def test_without_the_extra_sessionctl_says_what_to_install(scripts: Path, tmp_path: Path) -> None:
    """The script is there with every install; it needs the extra to do anything."""
    ended = _run(Served(tmp_path, ""), scripts / "sessionctl", "stats")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "pip install 'sessionstore[cli]'" in ended.stderr


@pytest.mark.timeout(300)
def test_the_snippet_of_the_readme_runs_as_it_stands(scripts: Path, served: Served) -> None:
    """Pasted next to `sessiond serve --dev`, from an installed wheel, it does what it says."""
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert DEFAULT_ADDRESS in snippets[0]
    snippet = snippets[0].replace(DEFAULT_ADDRESS, served.address)
    done = _run(served, scripts / "python", "-c", snippet)
    assert done.returncode == 0, done.stderr
    assert re.search(r"session [\w-]{24} until .*\nvalid: True\nvalid: False\n", done.stdout)


@pytest.mark.timeout(300)
def test_the_quickstart_of_the_sdist_runs_against_the_wheel(
    scripts: Path, served: Served, sources: Path
) -> None:
    """From login to logout."""
    done = _run(served, scripts / "python", sources / "examples" / "quickstart.py")
    assert done.returncode == 0, done.stderr
    assert "logged in:" in done.stdout


@pytest.mark.timeout(300)
def test_the_installed_server_is_healthy_and_shows_its_settings(
    scripts: Path, served: Served
) -> None:
    """By the commands that a deployment runs."""
    sessiond = scripts / "sessiond"
    health = _run(served, sessiond, "health", "--address", served.address)
    assert (health.returncode, health.stdout) == (0, "SERVING\n")
    assert _run(served, sessiond, "config", "check", "--dev").returncode == 0
    assert "session_cap = 10" in _run(served, sessiond, "config", "show", "--dev").stdout
