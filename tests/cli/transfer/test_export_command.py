"""An export that is broken off, and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from sessionstore import ExportPage, InternalError, Session
from sessionstore.cli.command import Cli
from sessionstore.cli.commands.export import export
from sessionstore.cli.connection import Connection
from sessionstore.cli.exits import ExitCode, Failure
from sessionstore.cli.output import Format, Output
from tests.cli.transfer.test_writing import SESSION

SESSIONS = [replace(SESSION, id=f"session-{number}") for number in range(4)]
HEADER = "id,userId,userAgent,ipAddr,createdAt,expiresAt,revokedAt\r\n"


class Service:
    """Gives a session a page; it is struck once, behind so many of them."""

    def __init__(self, strike: BaseException, behind: int) -> None:
        self._strike: BaseException | None = strike
        self._behind = behind

    def export(
        self, user_id: str, *, states: tuple[str, ...], resume_token: str
    ) -> Iterator[ExportPage]:
        for place in range(int(resume_token or 0), len(SESSIONS)):
            if place == self._behind and self._strike:
                strike, self._strike = self._strike, None
                raise strike
            yield self._page(place, SESSIONS[place])

    @staticmethod
    def _page(place: int, session: Session) -> ExportPage:
        return ExportPage(
            sessions=(session,),
            users_done=place + 1,
            users_total=len(SESSIONS),
            resume_token=str(place + 1),
            done=place == len(SESSIONS) - 1,
        )


def cli_of(service: Service) -> Cli:
    cli = Cli(Connection(), "", Output(Format.TABLE))
    cli.__dict__["admin"] = service
    return cli


@pytest.mark.parametrize("behind", [1, 2, 3])
def test_an_export_goes_on_where_ctrl_c_stopped_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], behind: int
) -> None:
    """It tells the token; the file has its name when the rest is in it, and every session once."""
    path = tmp_path / "back.csv"
    cli = cli_of(Service(KeyboardInterrupt(), behind))
    with pytest.raises(KeyboardInterrupt):
        export(cli, str(path))
    assert f"go on with --resume {behind}" in capsys.readouterr().err
    assert not path.exists()

    export(cli, str(path), resume=str(behind))
    text = path.read_bytes().decode()
    assert text.startswith(HEADER)
    assert [line.split(",")[0] for line in text.split("\r\n") if line.startswith("session")] == [
        session.id for session in SESSIONS
    ]


def test_an_export_that_fails_is_told_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is the call's, and what was written stays."""
    cli = cli_of(Service(InternalError(grpc.StatusCode.INTERNAL, "a fault"), 2))
    with pytest.raises(InternalError):
        export(cli, str(tmp_path / "back.csv"))
    assert "go on with --resume 2" in capsys.readouterr().err


def test_nothing_to_go_on_with_is_wrong_usage(tmp_path: Path) -> None:
    """A token without its part of the file would lose that part."""
    cli = cli_of(Service(KeyboardInterrupt(), 1))
    with pytest.raises(Failure) as refused:
        export(cli, str(tmp_path / "back.csv"), resume="1")
    assert refused.value.code == ExitCode.USAGE
