"""Where what nobody may guess comes from, and by which hashes and comparisons things are told."""

from __future__ import annotations

import ast
import hmac
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

import sessiond
import sessionstore
from sessiond.domain.errors import RefreshTokenInvalidError
from sessiond.domain.ids import new_session_id
from sessiond.tokens.refresh import RefreshTokens
from tests.unit.tokens.forge import Clock, new_ring

SOURCES = {
    path: ast.parse(path.read_text())
    for package in (sessiond, sessionstore)
    for path in sorted(Path(package.__path__[0]).rglob("*.py"))
}
_RANDOM = {"random.SystemRandom", "uuid.uuid4"}
"""Of the operating system, as everything of `secrets` is."""
_HASHES = {"hashlib.sha256"}
_FOR_SCRIPTS = "hashlib.sha1"
"""Engines know a script by it; it protects nothing, which the call has to say."""


def _uses(*modules: str) -> Iterator[tuple[str, ast.AST]]:
    """Every `module.name` of these modules, with the node that uses it."""
    for path, module in SOURCES.items():
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in modules, f"import {node.module} as a whole: {path}"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules:
                yield ast.unparse(node), node


def test_a_session_id_is_136_bits_of_the_systems_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All 17 bytes behind the partition are `secrets.token_bytes`, and no two ids are alike."""
    given: list[bytes] = []
    real = secrets.token_bytes

    def token_bytes(size: int) -> bytes:
        given.append(real(size))
        return given[-1]

    monkeypatch.setattr(secrets, "token_bytes", token_bytes)
    ids = [urlsafe_b64decode(new_session_id("alice")) for _ in range(1000)]
    assert [each[1:] for each in ids] == given
    assert {len(rest) for rest in given} == {17}
    assert len(set(given)) == 1000


def test_everything_random_is_from_the_systems_generator() -> None:
    """Server and SDK draw by `secrets` and SystemRandom; request ids, no secrets, are UUIDs."""
    used = {name for name, _ in _uses("random", "uuid", "secrets")}
    assert {name for name in used if not name.startswith("secrets.")} == _RANDOM
    assert "secrets.token_bytes" in used


def test_hashes_are_sha_256() -> None:
    """SHA-1 is the engine's name of a script, and marked as no protection."""
    assert {name for name, _ in _uses("hashlib")} == {*_HASHES, _FOR_SCRIPTS}
    calls = [
        node
        for module in SOURCES.values()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == _FOR_SCRIPTS
    ]
    assert ["usedforsecurity=False" in ast.unparse(call) for call in calls] == [True]


def test_a_mac_is_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, by `hmac.compare_digest`, whose word alone counts."""
    tokens = RefreshTokens(new_ring(tmp_path / "keys", Clock()))
    good = tokens.mint(new_session_id("alice"), 1)
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(ours: bytes, theirs: bytes) -> bool:
        compared.append((ours, theirs))
        return False

    assert tokens.parse(good).generation == 1
    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    with pytest.raises(RefreshTokenInvalidError):
        tokens.parse(good)
    [(ours, theirs)] = compared
    assert ours == theirs == urlsafe_b64decode(good.removeprefix("srt1_"))[-16:]
