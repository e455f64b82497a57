"""docker-compose.yml and what it mounts: of one mind, and Redis as sessiond needs it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from sessiond.domain.errors import StartupError
from sessiond.tokens.keymaker import create_keys
from tests.commands import Command
from tests.engines import require_engine
from tests.packaging.deployed import DEPLOY, ROOT, documents, port, settings_of
from tests.rpc.serving import eventually

(COMPOSE,) = documents(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SHIPPED_ACL = """\
user default off resetchannels -@all
user sessiond on >to-be-replaced nopass #00 ~ss:* +@all -@dangerous
user other on >stays ~* +@read
"""


@pytest.fixture(autouse=True)
def _redis_is_here(request: pytest.FixtureRequest) -> None:
    if {"credentials", "command"} & set(request.fixturenames):
        require_engine("redis7")
        if os.geteuid() != 0:
            pytest.skip("files are given to other users: needs root")


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """What the script of the compose file makes of an ACL file."""
    shipped = tmp_path / "shipped.acl"
    shipped.write_text(SHIPPED_ACL)
    _make_credentials(shipped, tmp_path / "made")
    return tmp_path / "made"


def _make_credentials(shipped: Path, made: Path) -> None:
    script = DEPLOY / "compose/credentials.sh"
    subprocess.run(["sh", str(script), str(shipped), str(made)], check=True)


def _sources(service: dict[str, Any]) -> dict[str, str]:
    """Where in the container, by what is mounted there."""
    mounted = {}
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            source, target, *_ = volume.split(":")
        else:
            source, target = volume["source"], volume["target"]
        mounted[target] = source
    return mounted


def test_every_file_that_is_mounted_is_there() -> None:
    """And every volume is declared."""
    for name, service in SERVICES.items():
        for source in _sources(service).values():
            if source.startswith("."):
                assert (ROOT / source).exists(), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)


def test_sessiond_finds_what_its_settings_name() -> None:
    """Settings, callers, keys and the password, where they are mounted."""
    configured = settings_of(DEPLOY / "compose/sessiond.toml")
    mounted = _sources(SERVICES["sessiond"])
    assert mounted["/etc/sessiond/sessiond.toml"] == "./deploy/compose/sessiond.toml"
    assert str(configured.callers_file) in mounted
    assert mounted[str(configured.effective_keys_dir.parent)] == "keys"
    assert configured.store_password_file
    assert mounted[str(configured.store_password_file.parent)] == "sessiond-credentials"
    assert SERVICES["keys"]["command"][-1] == str(configured.effective_keys_dir)
    assert SERVICES["sessiond"]["ports"] == [f"127.0.0.1:7700:{port(configured.listen)}"]
    (job,) = next(documents(DEPLOY / "prometheus/prometheus.yml"))["scrape_configs"]
    assert job["dns_sd_configs"][0]["port"] == port(configured.ops_listen)


def test_the_image_is_healthy_by_its_own_settings() -> None:
    """Its check asks where its settings listen; they lack nothing but a store and encryption."""
    path = DEPLOY / "docker/sessiond.toml"
    configured = settings_of(path, store_url="rediss://redis:6379", plaintext=True)
    assert configured.health_listen
    assert configured.health_listen.startswith("127.0.0.1:")
    with pytest.raises(StartupError, match="SESSIOND_STORE_URL: required"):
        settings_of(path, plaintext=True)
    with pytest.raises(StartupError, match="SESSIOND_TLS_CERT_FILE"):
        settings_of(path, store_url="rediss://redis:6379")
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert 'CMD ["sessiond", "health"]' in dockerfile
    assert "SESSIOND_CONFIG_FILE=/etc/sessiond/sessiond.toml" in dockerfile
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)


def test_each_service_waits_for_what_it_needs_and_can_tell_its_health() -> None:
    """Whatever goes on has a health check; nothing is published beyond this machine."""
    waits = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert waits["sessiond"] == {
        "keys": "service_completed_successfully", "redis": "service_healthy",
    }  # fmt: skip
    assert waits["redis"] == {"credentials": "service_completed_successfully"}
    assert waits["prometheus"] == {"sessiond": "service_healthy"}
    assert waits["grafana"] == {"prometheus": "service_healthy"}
    going_on = {name: each for name, each in SERVICES.items() if each["restart"] != "no"}
    # That of sessiond is in its image.
    assert {name for name, each in going_on.items() if "healthcheck" not in each} == {"sessiond"}
    published = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert published
    assert all(each.startswith("127.0.0.1:") for each in published)


def test_the_password_replaces_whatever_the_acl_file_ships_with(credentials: Path) -> None:
    """For the user sessiond alone; a second run keeps it."""
    password = (credentials / "sessiond/store-password").read_text()
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    lines = (credentials / "redis/users.acl").read_text().splitlines()
    assert lines[0] == SHIPPED_ACL.splitlines()[0]
    assert lines[2] == SHIPPED_ACL.splitlines()[2]
    assert re.fullmatch(r"user sessiond on ~ss:\* \+@all -@dangerous #[0-9a-f]{64}", lines[1])
    _make_credentials(credentials.parent / "shipped.acl", credentials)
    assert (credentials / "sessiond/store-password").read_text() == password


def test_redis_serves_sessiond_and_nobody_else(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the shipped configuration and ACL: `config check --store` finds nothing to warn of."""
    made = tmp_path / "made"
    _make_credentials(DEPLOY / "redis/users.acl", made)
    with _redis(tmp_path, made / "redis/users.acl") as socket:
        given = {
            "keys_dir": tmp_path / "keys",
            "callers_file": DEPLOY / "compose/callers.toml",
            "store_url": f"unix://{socket}",
            "store_username": "sessiond",
            "store_password_file": made / "sessiond/store-password",
        }
        create_keys(tmp_path / "keys")
        for name, value in given.items():
            monkeypatch.setenv(f"SESSIOND_{name.upper()}", str(value))
        status, printed, errors = command("config", "check", "--store")
        assert (status, errors) == (0, "")
        assert re.search(r"^ok     SESSIOND_STORE_URL: .*, redis 7[.0-9]+$", printed, re.MULTILINE)
        (shell, check) = SERVICES["redis"]["healthcheck"]["test"]
        assert shell == "CMD-SHELL"
        subprocess.run(check.replace("redis-cli", f"redis-cli -s {socket}"), shell=True, check=True)
        with (
            Redis(unix_socket_path=socket) as nobody,
            pytest.raises(RedisError, match="authentica"),
        ):
            nobody.ping()


@contextmanager
def _redis(folder: Path, users_acl: Path) -> Iterator[str]:
    """Debian's Redis with the shipped configuration; its socket."""
    data = folder / "data"
    data.mkdir()
    with tempfile.TemporaryDirectory(prefix="ss-") as short:
        socket = f"{short}/s"
        configuration = folder / "redis.conf"
        text = (DEPLOY / "redis/redis.conf").read_text()
        for there, here in (("/data", data), ("/run/credentials/users.acl", users_acl)):
            assert f" {there}\n" in text
            text = text.replace(f" {there}\n", f" {here}\n")
        configuration.write_text(text)
        engine = subprocess.Popen(
            ["redis-server", str(configuration), "--port", "0", "--unixsocket", socket],
            stdout=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: Path(socket).exists() or engine.poll() is not None)
            assert engine.poll() is None
            yield socket
        finally:
            engine.terminate()
            engine.wait(timeout=20)
