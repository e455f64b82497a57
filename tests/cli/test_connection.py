"""Which service a command talks to, and with whose token."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from sessiond.devmode import TOKEN_FILE
from sessiond.settings import Settings
from sessionstore.cli import connection
from sessionstore.v1 import session_service_pb2 as pb
from tests.cli.sessionctl import Sessionctl, fits
from tests.client.fake_service import FakeService
from tests.rpc.certificates import make_tls, spiffe_id
from tests.rpc.serving import Server


@pytest.fixture
def bare() -> Sessionctl:
    """sessionctl in an environment that names nothing."""
    return Sessionctl()


def token_file(folder: Path, token: str) -> str:
    """A file with a service token."""
    path = folder / f"{token}.token"
    path.write_text(f"{token}\n")
    return str(path)


def caller(service: FakeService) -> str:
    """The token of the last call."""
    return service.received["GetSigningKeys"][-1].metadata["authorization"]


def test_flags_name_the_service(bare: Sessionctl, service: FakeService, home: Path) -> None:
    """An address and a token file are all it takes on this machine."""
    token = token_file(home, "flag")

    bare("keys", "show", "--address", service.address, "--token-file", token)

    assert caller(service) == "Bearer flag"


def test_flags_stand_before_the_environment(service: FakeService, home: Path) -> None:
    """Each for itself: an address of the environment, a token file of a flag."""
    ctl = Sessionctl(
        SESSIONSTORE_ADDRESS=service.address,
        SESSIONSTORE_TOKEN_FILE=token_file(home, "environment"),
    )

    ctl("keys", "show", "--token-file", token_file(home, "flag"))
    first = caller(service)
    ctl("keys", "show")

    assert (first, caller(service)) == ("Bearer flag", "Bearer environment")


def test_a_saved_context_is_used_from_then_on(
    bare: Sessionctl, service: FakeService, home: Path
) -> None:
    """Also from another folder: what was relative is saved absolute."""
    token_file(home, "saved")
    bare("context", "save", "dev", "--address", service.address, "--token-file", "saved.token")
    saved = home / "config" / "sessionctl" / "contexts.toml"
    other = home / "other"
    other.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(other)
        bare("keys", "show")

    assert caller(service) == "Bearer saved"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert "Bearer" not in saved.read_text()
    assert "saved\n" not in saved.read_text()


def test_the_environment_stands_before_the_current_context(
    bare: Sessionctl, service: FakeService, home: Path
) -> None:
    """But not before one that is named, by flag or by SESSIONSTORE_CONTEXT."""
    token = token_file(home, "saved")
    bare("context", "save", "dev", "--address", service.address, "--token-file", token)
    environment = {
        "SESSIONSTORE_ADDRESS": service.address,
        "SESSIONSTORE_TOKEN_FILE": token_file(home, "environment"),
    }

    Sessionctl(**environment)("keys", "show")
    by_environment = caller(service)
    Sessionctl(**environment)("keys", "show", "--context", "dev")
    by_flag = caller(service)
    Sessionctl(**environment, SESSIONSTORE_CONTEXT="dev")("keys", "show")

    assert by_environment == "Bearer environment"
    assert (by_flag, caller(service)) == ("Bearer saved", "Bearer saved")


def test_no_token_of_a_context_goes_to_another_address(
    bare: Sessionctl, service: FakeService, home: Path
) -> None:
    """An address by flag leaves the current context out as a whole."""
    token = token_file(home, "saved")
    bare("context", "save", "prod", "--address", "127.0.0.1:1", "--token-file", token)

    refused = bare("keys", "show", "--address", service.address, code=2)

    assert "no service token" in refused.err
    assert not service.received


def test_in_a_checkout_the_development_server_is_found(
    bare: Sessionctl, service: FakeService, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing named, the token of `make run` is used for its address."""
    assert "no address" in bare("keys", "show", code=2).err
    (home / ".sessiond").mkdir()
    (home / ".sessiond" / "dev.token").write_text("dev\n")
    here = replace(connection.DEVELOPMENT, address=service.address)
    monkeypatch.setattr(connection, "DEVELOPMENT", here)

    bare("keys", "show")

    assert caller(service) == "Bearer dev"


def test_the_development_server_is_where_the_server_says() -> None:
    """Its defaults and those of sessionctl are one."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert connection.DEVELOPMENT.address == defaults["listen"]
    assert Path(connection.DEVELOPMENT.token_file) == defaults["data_dir"] / TOKEN_FILE


def test_tls_is_used_with_a_ca_file(bare: Sessionctl, home: Path) -> None:
    """The server's certificate is verified against it."""
    tls = make_tls(home)
    credentials = grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), tls.certificate.read_bytes())]
    )
    (home / "ca.pem").write_bytes(tls.authority)
    with FakeService(credentials=credentials) as service:
        options = ["--address", service.address, "--token-file", token_file(home, "tls")]
        bare("keys", "show", *options, "--ca-file", "ca.pem")
        refused = bare("keys", "show", *options, "--timeout", "0.5", code=5)

    assert caller(service) == "Bearer tls"
    assert refused.err.startswith("sessionctl: ")


def test_a_certificate_stands_for_a_token(
    bare: Sessionctl, serving: Callable[..., AbstractContextManager[Server]], home: Path
) -> None:
    """By flags, and saved in a context, whose files are found from anywhere."""
    with serving("mtls") as server:
        assert server.tls
        (home / "ca.pem").write_bytes(server.tls.authority)
        issued = server.tls.issuer.issue("", uris=[spiffe_id("admin")])
        (home / "own.crt").write_bytes(issued.certificate)
        (home / "own.key").write_bytes(issued.key)
        files = ["--ca-file", "ca.pem", "--cert-file", "own.crt", "--key-file", "own.key"]
        options = ["--address", server.app.address, *files]
        assert bare("stats", *options, "-o", "json").json
        bare("context", "save", "certified", *options)
        (home / "other").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(home / "other")
            assert bare("stats", "-o", "json").json
            # A token that the environment has for another server is not sent to this one.
            with_token = Sessionctl(SESSIONSTORE_TOKEN="of-another")
            assert with_token("stats", "--context", "certified", "-o", "json").json


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--address", "127.0.0.1:1"), "no service token"),
        (("--address", "127.0.0.1:1", "--token-file", "missing"), "missing cannot be read"),
        (
            ("--address", "127.0.0.1:1", "--ca-file", "missing", "--token-file", "t"),
            "cannot be read",
        ),
        (("--context", "prod"), "no context 'prod'"),
    ],
)
def test_what_is_missing_is_said(bare: Sessionctl, options: tuple[str, ...], reason: str) -> None:
    """One sentence on stderr, and nothing is sent."""
    code = 3 if "--context" in options else 2
    refused = bare("keys", "show", *options, code=code)

    assert reason in refused.err
    assert len(refused.err.splitlines()) == 1
    assert refused.out == ""


def test_a_timeout_of_the_environment_must_be_a_number(service: FakeService) -> None:
    """It says which variable is wrong."""
    ctl = Sessionctl(
        SESSIONSTORE_ADDRESS=service.address,
        SESSIONSTORE_TOKEN="token",
        SESSIONSTORE_TIMEOUT="soon",
    )

    assert "SESSIONSTORE_TIMEOUT" in ctl("keys", "show", code=2).err


def test_the_timeout_is_sent(scripted: Sessionctl, service: FakeService) -> None:
    """30 seconds unless another is named."""
    service.answer("GetSigningKeys", pb.GetSigningKeysResponse())

    scripted("keys", "show")
    scripted("keys", "show", "--timeout", "100")

    first, second = (each.time_remaining or 0 for each in service.received["GetSigningKeys"])
    assert 20 < first < 31
    assert 90 < second < 101


def test_contexts_are_listed_shown_chosen_and_deleted(bare: Sessionctl, home: Path) -> None:
    """The first one saved is in use until another is chosen."""
    options = ["--token-file", "t", "--ca-file", "c", "--timeout", "5"]
    bare("context", "save", "dev", "--address", "127.0.0.1:1", *options)
    bare("context", "save", 'pro"d', "--address", "sessions.example:8443", *options)

    first = bare("context", "show", "-o", "json").json
    bare("context", "use", 'pro"d')
    listed = bare("context", "list", "-o", "json").json["contexts"]
    table = bare("context", "list")
    shown = bare("context", "show", "dev")
    bare("context", "delete", 'pro"d')
    left = bare("context", "list", "-o", "json").json["contexts"]

    assert (first["name"], first["current"], first["address"]) == ("dev", True, "127.0.0.1:1")
    assert first["token_file"] == str(home / "t")
    assert (first["timeout"], first["plaintext"]) == (5.0, False)
    assert [(each["name"], each["current"]) for each in listed] == [
        ("dev", False),
        ('pro"d', True),
    ]
    assert [row[0] for row in table.rows if "sessions.example:8443" in row] == ["*"]
    assert fits(table.out)
    assert "127.0.0.1:1" in shown.out
    assert [each["name"] for each in left] == ["dev"]
    assert "no context is in use" in bare("context", "show", code=3).err
    assert "no context" in bare("context", "use", "prod", code=3).err
    assert "no context" in bare("context", "delete", "prod", code=3).err


def test_a_context_needs_an_address_and_a_token_file(bare: Sessionctl) -> None:
    """Half a context would be filled from somewhere else."""
    for options in ([], ["--address", "127.0.0.1:1"], ["--token-file", "t"]):
        assert (
            "--address, and --token-file or --cert-file"
            in bare("context", "save", "x", *options, code=2).err
        )


def test_a_damaged_file_of_contexts_is_told(bare: Sessionctl, home: Path) -> None:
    """With its path, so that it can be mended."""
    path = home / "config" / "sessionctl" / "contexts.toml"
    path.parent.mkdir(parents=True)
    for damage in ("current = ", "contexts = 3", "[contexts.x]\npassword = 'x'"):
        path.write_text(damage)
        assert str(path) in bare("context", "list", code=2).err.replace("\n", "")


def test_a_folder_that_cannot_be_used_is_told(bare: Sessionctl, home: Path) -> None:
    """In one sentence, with its path."""
    (home / "config").write_text("a file")

    refused = bare("context", "list", code=1)

    assert refused.err.startswith(f"sessionctl: {home / 'config'}")
    assert "Not a directory" in refused.err
