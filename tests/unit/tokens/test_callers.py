"""The callers file: who is let in, what is refused in it, and how a bad edit is survived."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sessiond.domain.callers import Caller, CallerLimits, Role
from sessiond.domain.errors import (
    CredentialsExpiredError,
    CredentialsInvalidError,
    CredentialsMissingError,
    StartupError,
)
from sessiond.tokens.callers import Callers
from sessiond.tokens.client_certificates import ClientCertificate
from sessiond.tokens.service import ServiceClaims
from tests.unit.tokens.forge import HOUR, NOW

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '[callers.login-service]\nroles = ["writer"]\n'
JAN_2026 = 1_767_225_600


def write(path: Path, content: str) -> Path:
    """As an editor does it: a new file in the place of the old."""
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.replace(path)
    return path


def load(tmp_path: Path, content: str) -> Callers:
    return Callers.load(write(tmp_path / "callers.toml", content))


def claims(name: str = "login-service", issue_s: int = NOW) -> ServiceClaims:
    return ServiceClaims(name, issue_s, issue_s + HOUR)


def test_a_listed_caller_is_let_in_with_its_highest_role(tmp_path: Path) -> None:
    callers = load(tmp_path, f'{GOOD}[callers."a.b_c-1"]\nroles = ["reader", "admin", "writer"]\n')
    assert callers.by_token(claims()) == Caller("login-service", Role.WRITER)
    assert callers.by_token(claims("a.b_c-1")) == Caller("a.b_c-1", Role.ADMIN)


def test_a_caller_is_built_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    assert callers.by_token(claims()) is callers.by_token(claims())


def test_an_unlisted_caller_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsInvalidError, match=r"^not a valid service token$"):
        load(tmp_path, GOOD).by_token(claims("stranger"))


def test_a_caller_has_the_limits_of_the_file_and_the_servers_others(tmp_path: Path) -> None:
    path = write(tmp_path / "callers.toml", f"{GOOD}max_in_flight = 5\n")
    callers = Callers.load(path, limits=CallerLimits(250, 1000, 500))
    assert callers.by_token(claims()).limits == CallerLimits(5, 1000, 500)


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"])
def test_tokens_issued_before_the_line_are_cut_off(tmp_path: Path, time: str) -> None:
    callers = load(tmp_path, f"{GOOD}not_before = {time}\n")
    callers.by_token(claims(issue_s=JAN_2026))
    with pytest.raises(CredentialsInvalidError, match=r"^not a valid service token$"):
        callers.by_token(claims(issue_s=JAN_2026 - 1))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "lists no caller"),
        ("[callers]", "lists no caller"),
        ("callers = 1", "lists no caller"),
        ("[callers.a", "not TOML"),
        ("[callers.a]\nroles=['reader']\n[callers.a]\nroles=['admin']", "not TOML"),
        ("x = " + "[" * 5_000, "not TOML"),
        (GOOD + "[defaults]\n", "'defaults'"),
        (GOOD + "role = 'admin'\n", "callers.login-service: unknown key 'role'"),
        ("[callers.a]\n", "callers.a.roles"),
        ("[callers.a]\nroles = []\n", "callers.a.roles"),
        ("[callers.a]\nroles = 'admin'\n", "callers.a.roles"),
        ("[callers.a]\nroles = ['root']\n", "callers.a.roles: 'root'"),
        ("[callers.a]\nroles = ['ADMIN']\n", "callers.a.roles: 'ADMIN'"),
        ("[callers.a]\nroles = [1]\n", "callers.a.roles: 1"),
        ("[callers]\na = 'admin'\n", "callers.a must be a table"),
        ("[callers.A]\nroles = ['reader']\n", "callers.A: a caller's name"),
        ('[callers.""]\nroles = ["reader"]\n', "callers.: a caller's name"),
        (f"[callers.{'a' * 65}]\nroles = ['reader']\n", "a caller's name"),
        (GOOD + "max_in_flight = 0\n", "callers.login-service.max_in_flight"),
        (GOOD + "max_watchers = true\n", "callers.login-service.max_watchers"),
        (GOOD + "calls_per_second = 0.5\n", "callers.login-service.calls_per_second"),
        (GOOD + "not_before = 2026-01-01\n", "callers.login-service.not_before"),
        (GOOD + "not_before = 2026-01-01T00:00:00\n", "callers.login-service.not_before"),
        (GOOD + "not_before = 1\n", "callers.login-service.not_before"),
        (GOOD + "not_before = '2026-01-01T00:00:00Z'\n", "callers.login-service.not_before"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_the_file(
    tmp_path: Path, content: str, named: str
) -> None:
    with pytest.raises(StartupError) as caught:
        load(tmp_path, content)
    assert named in str(caught.value)
    assert str(tmp_path / "callers.toml") in str(caught.value)


CERTIFIED = f"{GOOD}certificates = ['spiffe://example.org/login', 'dns:login.internal']\n"


def certified(tmp_path: Path, content: str, now: float = NOW) -> Callers:
    path = write(tmp_path / "callers.toml", content)
    return Callers.load(path, certificates=True, clock=lambda: now)


def certificate(*names: str, issue_s: int = NOW) -> ClientCertificate:
    return ClientCertificate(frozenset(names), issue_s, issue_s + HOUR)


@pytest.mark.parametrize("name", ["spiffe://example.org/login", "dns:login.internal"])
def test_a_caller_is_known_by_each_name_of_its_certificates(tmp_path: Path, name: str) -> None:
    callers = certified(tmp_path, CERTIFIED)
    caller = callers.by_certificate(certificate("dns:elsewhere", name))
    assert caller == Caller("login-service", Role.WRITER)


@pytest.mark.parametrize(
    "name",
    ["", "login-service", "login.internal", "dns:x.login.internal", "spiffe://example.org/login/x"],
)
def test_a_certificate_without_a_listed_name_is_none_of_a_caller(tmp_path: Path, name: str) -> None:
    with pytest.raises(CredentialsMissingError):
        certified(tmp_path, CERTIFIED).by_certificate(certificate(name))


def test_a_certificate_that_has_run_out_lets_nobody_in(tmp_path: Path) -> None:
    """The connection may be older than that."""
    shown = certificate("dns:login.internal")
    certified(tmp_path, CERTIFIED, NOW + HOUR).by_certificate(shown)
    with pytest.raises(CredentialsExpiredError):
        certified(tmp_path, CERTIFIED, NOW + HOUR + 1).by_certificate(shown)


def test_certificates_issued_before_the_line_are_cut_off(tmp_path: Path) -> None:
    callers = certified(tmp_path, f"{CERTIFIED}not_before = 2026-01-01T00:00:00Z\n", JAN_2026)
    callers.by_certificate(certificate("dns:login.internal", issue_s=JAN_2026))
    with pytest.raises(CredentialsInvalidError):
        callers.by_certificate(certificate("dns:login.internal", issue_s=JAN_2026 - 1))


def test_a_certificate_of_two_callers_is_of_neither(tmp_path: Path) -> None:
    other = "[callers.other]\nroles = ['admin']\ncertificates = ['dns:other.internal']\n"
    callers = certified(tmp_path, CERTIFIED + other)
    with pytest.raises(CredentialsInvalidError):
        callers.by_certificate(certificate("dns:login.internal", "dns:other.internal"))


@pytest.mark.parametrize(
    "names",
    [
        "'dns:login.internal'",
        "[1]",
        "['login.internal']",
        "['dns:*.internal']",
        "['dns:Login.internal']",
        "['dns:']",
        "['CN=login']",
        "['spiffe:login']",
        "['spiffe://']",
        "['spiffe://a b']",
    ],
)
def test_a_name_that_no_certificate_has_is_named(tmp_path: Path, names: str) -> None:
    with pytest.raises(StartupError, match=r"callers\.login-service\.certificates"):
        certified(tmp_path, f"{GOOD}certificates = {names}\n")


def test_a_name_belongs_to_one_caller(tmp_path: Path) -> None:
    other = "[callers.other]\nroles = ['admin']\ncertificates = ['dns:login.internal']\n"
    with pytest.raises(StartupError, match=r"dns:login\.internal is login-service's already"):
        certified(tmp_path, CERTIFIED + other)


def test_a_missing_file_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="SESSIOND_CALLERS_FILE"):
        Callers.load(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "callers.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartupError, match="not TOML"):
        Callers.load(tmp_path / "callers.toml")


def test_a_change_is_read_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    assert not callers.reload_if_changed()
    write(callers.path, '[callers.other]\nroles = ["reader"]\n')
    assert callers.reload_if_changed()
    assert not callers.reload_if_changed()
    callers.by_token(claims("other"))
    with pytest.raises(CredentialsInvalidError):
        callers.by_token(claims())


def test_a_change_in_place_of_the_same_size_is_seen_by_its_time(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    callers.path.write_text(GOOD.replace("writer", "reader"))
    os.utime(callers.path, ns=(1, 1))
    assert callers.reload_if_changed()
    assert callers.by_token(claims()).role is Role.READER


def test_a_bad_change_keeps_the_list_and_is_reported_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    for content in ("", "[callers.a]\nroles = []\n"):
        write(callers.path, content)
        with pytest.raises(StartupError):
            callers.reload_if_changed()
        assert not callers.reload_if_changed()
        callers.by_token(claims())
    write(callers.path, '[callers.other]\nroles = ["reader"]\n')
    assert callers.reload_if_changed()


def test_a_deleted_file_keeps_the_list_and_is_reported_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    callers.path.unlink()
    with pytest.raises(StartupError, match="cannot read"):
        callers.reload_if_changed()
    assert not callers.reload_if_changed()
    callers.by_token(claims())
    write(callers.path, GOOD)
    assert callers.reload_if_changed()
