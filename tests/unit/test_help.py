"""What `--help` shows, at the width of a terminal of 80 columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from sessiond.commands.grammar import parser
from sessiond.settings import Settings, flag

WIDTH = 80


def _parsers(root: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and those of its commands, of which each leads to more."""
    yield root
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _parsers(command)


COMMANDS = {each.prog: each for each in _parsers(parser())}


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def test_there_is_help_for_these_commands() -> None:
    """A new one joins the tests below by itself."""
    assert set(COMMANDS) >= {
        "sessiond", "sessiond serve", "sessiond config check", "sessiond config show",
        "sessiond health", "sessiond token", "sessiond keys init", "sessiond keys rotate",
    }  # fmt: skip


@pytest.mark.parametrize("command", list(COMMANDS))
def test_no_line_of_help_is_wider_than_the_terminal(command: str) -> None:
    """And each command says what it is for, in a sentence, and what its arguments are."""
    text = COMMANDS[command].format_help()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert COMMANDS[command].description
    assert text.startswith(f"usage: {command} ")
    actions = (each for each in COMMANDS[command]._actions if each.help != argparse.SUPPRESS)
    for action in actions:
        assert action.help or isinstance(action, argparse._SubParsersAction), action


def test_help_on_serving_lists_every_setting_with_its_default() -> None:
    """Under the heading of its group."""
    text = COMMANDS["sessiond serve"].format_help()
    assert all(f"  {flag(name)}" in text for name in Settings.model_fields)
    assert "[10s]" in text
    assert "\nsessions:\n" in text


def test_help_tells_settings_exit_status_and_where_to_read_on() -> None:
    """As a manual page would."""
    text = COMMANDS["sessiond"].format_help()
    words = ("\nsettings:\n", "SESSIOND_CONFIG_FILE", "\nexit status:\n", "docs/configuration.md")
    assert all(word in text for word in words)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_example_of_help_can_be_parsed(command: str) -> None:
    """So that it runs as it stands."""
    examples = COMMANDS[command].format_help().partition("\nexamples:\n")[2].split("\n")
    for line in filter(None, map(str.strip, examples)):
        _, *words = line.split()
        assert COMMANDS["sessiond"].parse_args(words).run
