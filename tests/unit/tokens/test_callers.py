"""The callers file: who is let in, what is refused in it, and how a bad edit is survived."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sessiond.domain.callers import Caller, Role
from sessiond.domain.errors import CredentialsInvalidError, StartupError
from sessiond.tokens.callers import Callers
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
    assert callers.authenticate(claims()) == Caller("login-service", Role.WRITER)
    assert callers.authenticate(claims("a.b_c-1")) == Caller("a.b_c-1", Role.ADMIN)


def test_a_caller_is_built_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    assert callers.authenticate(claims()) is callers.authenticate(claims())


def test_an_unlisted_caller_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsInvalidError, match=r"^not a valid service token$"):
        load(tmp_path, GOOD).authenticate(claims("stranger"))


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"])
def test_tokens_issued_before_the_line_are_cut_off(tmp_path: Path, time: str) -> None:
    callers = load(tmp_path, f"{GOOD}not_before = {time}\n")
    callers.authenticate(claims(issue_s=JAN_2026))
    with pytest.raises(CredentialsInvalidError, match=r"^not a valid service token$"):
        callers.authenticate(claims(issue_s=JAN_2026 - 1))


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
    callers.authenticate(claims("other"))
    with pytest.raises(CredentialsInvalidError):
        callers.authenticate(claims())


def test_a_change_in_place_of_the_same_size_is_seen_by_its_time(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    callers.path.write_text(GOOD.replace("writer", "reader"))
    os.utime(callers.path, ns=(1, 1))
    assert callers.reload_if_changed()
    assert callers.authenticate(claims()).role is Role.READER


def test_a_bad_change_keeps_the_list_and_is_reported_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    for content in ("", "[callers.a]\nroles = []\n"):
        write(callers.path, content)
        with pytest.raises(StartupError):
            callers.reload_if_changed()
        assert not callers.reload_if_changed()
        callers.authenticate(claims())
    write(callers.path, '[callers.other]\nroles = ["reader"]\n')
    assert callers.reload_if_changed()


def test_a_deleted_file_keeps_the_list_and_is_reported_once(tmp_path: Path) -> None:
    callers = load(tmp_path, GOOD)
    callers.path.unlink()
    with pytest.raises(StartupError, match="cannot read"):
        callers.reload_if_changed()
    assert not callers.reload_if_changed()
    callers.authenticate(claims())
    write(callers.path, GOOD)
    assert callers.reload_if_changed()
