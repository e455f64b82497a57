"""Keys that stop the start: weak, wrong, misplaced or open; and silence about all keys."""

from __future__ import annotations

import traceback
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sessiond.domain.errors import StartupError
from sessiond.tokens.keyfiles import Kind
from sessiond.tokens.keymaker import create_keys, rotate
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens
from tests.unit.tokens.forge import LIFETIMES, Clock, new_ring

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

NAME = "20260101T000000Z-00000001"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_keys(tmp_path / "k")
    return tmp_path / "k"


def put(directory: Path, kind: Kind, content: bytes, name: str = NAME) -> Path:
    path = directory / kind / f"{name}.{kind.suffix}"
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def refusal(directory: Path) -> str:
    with pytest.raises(StartupError) as caught:
        KeyRing.load(directory, LIFETIMES)
    return str(caught.value)


def pem(key: PrivateKeyTypes, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (b"", "too short"),
        (b"0011223344556677", "too short"),
        (bytes(range(31)).hex().encode(), "too short"),
        (b"00" * 32, "not random"),
        (b"ff" * 64, "not random"),
        (b"01020304050607" * 10, "not random"),
        (b"correct horse battery staple, and so on", "not hex"),
        (b"\xff\xfe" * 32, "not hex"),
        (b"0" * 65, "not hex"),
        (b"00" * 9_000, "too large"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.MAC, Kind.PSEUDONYM, Kind.IMPORT])
def test_a_weak_secret_is_refused(directory: Path, kind: Kind, secret: bytes, why: str) -> None:
    (made,) = (directory / kind).iterdir()
    made.unlink()
    path = put(directory, kind, secret)
    assert why in refusal(directory)
    assert str(path) in refusal(directory)


def test_32_bytes_of_eight_values_or_more_are_taken(directory: Path) -> None:
    put(directory, Kind.MAC, bytes(range(8)).hex().encode() * 4 + b"\n")
    KeyRing.load(directory, LIFETIMES)


BAD_PEM = {
    "RSA": (pem(rsa.generate_private_key(65537, 2048)), "neither an Ed25519 nor", "EC P-256"),
    "P-384": (pem(ec.generate_private_key(ec.SECP384R1())), "neither", "P-256"),
    "secp256k1": (pem(ec.generate_private_key(ec.SECP256K1())), "neither", "P-256"),
    "Ed448": (pem(ed448.Ed448PrivateKey.generate()), "neither", "P-256"),
    "weak Ed25519": (pem(Ed25519PrivateKey.from_private_bytes(bytes(32))), "not random", ""),
    "weak P-256": (pem(ec.derive_private_key(7, ec.SECP256R1())), "not random", ""),
    "SEC 1": (
        pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL),
        "not a PKCS#8",
        "",
    ),
    "public": (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "not a PKCS#8",
        "",
    ),
    "encrypted": (
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")
        ),
        "is encrypted",
        "openssl pkcs8",
    ),
    "empty": (b"", "not a PKCS#8", "sessiond keys rotate"),
    "cut": (pem(Ed25519PrivateKey.generate())[:60], "not a PKCS#8", ""),
    "hex": (b"00" * 32, "not a PKCS#8", ""),
    "no text": (b"-----BEGIN PRIVATE KEY-----\xff\xff", "not a PKCS#8", ""),
}


@pytest.mark.parametrize(("content", "why", "what"), BAD_PEM.values(), ids=BAD_PEM)
@pytest.mark.parametrize("kind", [Kind.SIGNING, Kind.SERVICE])
def test_a_key_that_we_do_not_sign_with_is_refused(
    directory: Path, kind: Kind, content: bytes, why: str, what: str
) -> None:
    path = put(directory, kind, content)
    message = refusal(directory)
    assert str(path) in message
    assert why in message
    assert what in message


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.SIGNING, "access-token signing key"),
        (Kind.SERVICE, "service-token signing key"),
        (Kind.MAC, "MAC key"),
        (Kind.PSEUDONYM, "log pseudonym key"),
    ],
)
def test_a_missing_kind_says_how_to_make_it(directory: Path, kind: Kind, words: str) -> None:
    (path,) = (directory / kind).iterdir()
    path.unlink()
    told = (
        f"no {words} in {directory / kind}: run `sessiond keys init --dir {directory}`,"
        " or set SESSIOND_KEYS_DIR to the directory that holds them"
    )
    assert refusal(directory) == told
    (directory / kind).rmdir()
    assert refusal(directory) == told


def test_two_import_keys_are_refused(directory: Path) -> None:
    """A session is found again only by the key that it was imported with."""
    put(directory, Kind.IMPORT, bytes(range(32)).hex().encode())
    assert "holds 2 keys" in refusal(directory)
    assert "move the others away" in refusal(directory)


def test_the_import_key_never_rotates(directory: Path) -> None:
    """Whether there is one or not: `keys init` makes it."""
    (path,) = (directory / Kind.IMPORT).iterdir()
    for _ in range(2):
        with pytest.raises(StartupError, match="never rotates"):
            rotate(directory, Kind.IMPORT)
        path.unlink(missing_ok=True)
    assert create_keys(directory)
    KeyRing.load(directory, LIFETIMES)


def test_a_missing_directory_says_how_to_make_it(tmp_path: Path) -> None:
    assert "sessiond keys init --dir" in refusal(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "no key directory" in refusal(tmp_path / "file")


@pytest.mark.parametrize("bit", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
@pytest.mark.parametrize("level", ["directory", "kind", "file"])
def test_what_is_open_to_group_or_others_is_refused(directory: Path, level: str, bit: int) -> None:
    path = {
        "directory": directory,
        "kind": directory / "mac",
        "file": next((directory / "mac").iterdir()),
    }[level]
    path.chmod(path.stat().st_mode | bit)
    wanted = 600 if level == "file" else 700
    assert f"{path} is open to group or others" in refusal(directory)
    assert f"`chmod {wanted} {path}`" in refusal(directory)


@pytest.mark.parametrize(
    "name",
    [
        "key.pem",
        "20260101T000000Z-00000001.key",
        "20260101T000000Z-00000001.pem~",
        "20260101T000000Z-0000000G.pem",
        "20260101T000000Z-0000000A.pem",
        "20260101T000000Z-000001.pem",
        "20261301T000000Z-00000001.pem",
        "20260101T000000-00000001.pem",
        "copy of 20260101T000000Z-00000001.pem",
    ],
)
def test_a_file_not_named_like_a_key_is_refused(directory: Path, name: str) -> None:
    (directory / "signing" / name).write_text("")
    assert "is not named like a key" in refusal(directory)


def test_a_directory_in_a_keys_place_is_refused(directory: Path) -> None:
    (directory / "mac" / f"{NAME}.key").mkdir(mode=0o700)
    assert "not a regular file" in refusal(directory)


def test_two_mac_keys_of_one_id_are_refused(directory: Path) -> None:
    put(directory, Kind.MAC, bytes(range(32)).hex().encode())
    put(directory, Kind.MAC, bytes(range(40)).hex().encode(), NAME.replace("2026", "2027"))
    assert "share the key id 00000001" in refusal(directory)


def test_one_key_under_two_names_is_refused(directory: Path) -> None:
    (path,) = (directory / "mac").iterdir()
    put(directory, Kind.MAC, path.read_bytes())
    assert "hold the same key" in refusal(directory)


def test_a_key_for_two_purposes_is_refused(directory: Path) -> None:
    (path,) = (directory / "signing").iterdir()
    put(directory, Kind.SERVICE, path.read_bytes())
    assert "hold the same key" in refusal(directory)


def secrets_of(directory: Path) -> list[str]:
    """Every line of every key file, decoded forms of it, and what could confirm a guess."""
    texts = [path.read_text() for path in directory.rglob("2*")]
    lines = [line for text in texts for line in text.splitlines() if "---" not in line]
    assert len(lines) >= 4
    hexes = [path.read_text() for path in directory.rglob("2*.key")]
    raw = [bytes.fromhex(text) for text in hexes]
    digests = [repr(sha256(secret).digest()) for secret in raw]
    return [*lines, *(repr(secret)[2:-1] for secret in raw), *(str(list(s)) for s in raw), *digests]


def test_no_key_shows_in_a_repr(tmp_path: Path) -> None:
    ring = new_ring(tmp_path / "k", Clock())
    shown = [repr(ring), str(ring), repr(vars(ring)), repr(ring.keys), repr(RefreshTokens(ring))]
    for tokens in ring.keys.tokens.values():
        shown += [repr(tokens), *(repr(term) + repr(term.key) for term in tokens)]
    for macs in ring.keys.secrets.values():
        shown += [repr(macs), *(repr(term) + repr(term.key) for term in macs)]
    for secret in secrets_of(tmp_path / "k"):
        assert not any(secret in text for text in shown)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("spoil", [b"\xff", b"!", b"zz", "é".encode()])
def test_no_key_shows_in_a_refusal_or_what_led_to_it(
    directory: Path, kind: Kind, spoil: bytes
) -> None:
    (path,) = (directory / kind).iterdir()
    secrets = [line for line in path.read_text().splitlines() if "---" not in line]
    path.write_bytes(path.read_bytes().replace(secrets[0].encode(), secrets[0].encode() + spoil))
    with pytest.raises(StartupError) as caught:
        KeyRing.load(directory, LIFETIMES)
    error: BaseException | None = caught.value
    told = "".join(traceback.format_exception(caught.value))
    while error is not None:
        told += repr(error) + repr(vars(error)) + repr(error.args)
        error = error.__context__
    assert secrets[0] not in told
