"""The settings of the environment: what is taken, and what is refused in which words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sessiond import settings
from sessiond.domain.errors import StartupError
from sessiond.domain.profile import AtCap

PRODUCTION = {
    "SESSIOND_KEYS_DIR": "/keys",
    "SESSIOND_CALLERS_FILE": "/callers.toml",
    "SESSIOND_STORE_URL": "rediss://store:6379",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def _refusal(**overrides: Any) -> str:
    with pytest.raises(StartupError) as caught:
        settings.load(**overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_production_needs_nothing_but_keys_callers_and_a_store() -> None:
    """All else has a default, as DESIGN section 9 gives them."""
    loaded = settings.load()
    (profile,) = loaded.all_profiles().values()
    assert (profile.name, profile.cap, profile.at_cap) == ("default", 10, AtCap.EVICT_OLDEST)
    assert profile.idle_ms == 7 * 86_400_000
    assert profile.absolute_ms == 90 * 86_400_000
    assert loaded.access_token_lifetime == timedelta(minutes=60)
    assert loaded.retention == timedelta(days=30)
    assert loaded.grace_time == timedelta(seconds=10)


def test_production_shows_nothing_that_was_not_asked_for() -> None:
    """Neither ops port nor health port, nor traces to anywhere."""
    loaded = settings.load()
    assert [loaded.ops_listen, loaded.health_listen, loaded.otlp_endpoint] == [None] * 3


@pytest.mark.parametrize("missing", list(PRODUCTION))
def test_production_names_what_it_misses(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """By its environment variable."""
    monkeypatch.delenv(missing)
    assert f"{missing}: required outside development mode" in _refusal()


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one a start."""
    for name in PRODUCTION:
        monkeypatch.delenv(name)
    assert all(name in _refusal() for name in PRODUCTION)


def test_development_mode_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is in its data directory."""
    for name in PRODUCTION:
        monkeypatch.delenv(name)
    loaded = settings.load(dev=True)
    assert loaded.effective_keys_dir == Path(".sessiond/keys")
    assert loaded.effective_store_url.startswith("embedded:///")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESION_CAP", "3"), ("STORE__URL", "x"), ("PROFILES__WEB", "{}"),
        ("SESSION_CAP", "0"), ("SESSION_CAP", "1001"), ("SESSION_CAP", "many"),
        ("GRACE_TIME", "soon"), ("GRACE_TIME", "-1s"), ("GRACE_TIME", "11m"), ("GRACE_TIME", ""),
        ("IDLE_LIFETIME", "9999999999999d"), ("IDLE_LIFETIME", "0"),
        ("ABSOLUTE_LIFETIME", "3661d"), ("AT_CAP", "explode"), ("DEV", "maybe"),
        ("PROFILES", "no json"), ("PROFILES", '{"web": {"cap": 3}}'), ("PROFILES", "[]"),
        ("PROFILES", '{"Web": {}}'), ("PROFILES", '{"web": {"session_cap": 0}}'),
        ("LOG_FORMAT", "xml"), ("ISSUER", "i" * 129), ("ISSUER", ""), ("AUDIENCE", "\u00e9"),
        ("AUDIENCE", 'a"b'), ("EMBEDDED_MAXMEMORY", "much"), ("EMBEDDED_APPENDFSYNC", "sometimes"),
        ("KEY_PREFIX", "a:b"), ("MAX_IN_FLIGHT", "0"), ("MAX_REQUEST_BYTES", "1"),
        ("STORE_CLIENT_NAME", "two words"), ("STORE_CLIENT_NAME", ""),
        ("STORE_WAIT_REPLICAS", "-1"),
        ("STORE_WAIT_TIMEOUT", "0"), ("STORE_WAIT_TIMEOUT", "11s"),
        ("EVENT_LOG_TIME", "59m"), ("STORE_URL", "fakeredis://127.0.0.1:1"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """An unknown one too: a slip of the pen must not leave a default in force."""
    monkeypatch.setenv(f"SESSIOND_{name}", value)
    assert f"SESSIOND_{name}" in _refusal()


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence each."""
    monkeypatch.setenv("SESSIOND_SESSION_CAP", "0")
    monkeypatch.setenv("SESSIOND_GRACE_TIME", "soon")
    refusal = _refusal()
    assert "SESSIOND_SESSION_CAP" in refusal
    assert "SESSIOND_GRACE_TIME" in refusal


@pytest.mark.parametrize("address", ["0.0.0.0:7700", "[::]:0", "192.0.2.1:7700", "7700", ""])
def test_other_addresses_than_loopback_need_encryption(address: str) -> None:
    """By a certificate, or by something in front that is vouched for; never in development."""
    assert "SESSIOND_LISTEN" in _refusal(dev=True, listen=address)
    assert "SESSIOND_LISTEN" in _refusal(listen=address)
    assert "SESSIOND_LISTEN" in _refusal(dev=True, listen=address, plaintext=True)
    assert settings.load(listen=address, plaintext=True).listen == address


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:7700", "localhost:7700"])
def test_loopback_may_be_served_in_plaintext(address: str) -> None:
    """In either mode."""
    assert settings.load(listen=address).listen == address
    assert settings.load(listen=address, dev=True).listen == address


@pytest.mark.parametrize(
    "only", ["tls_cert_file", "tls_key_file", "store_cert_file", "store_key_file"]
)
def test_a_certificate_and_its_key_go_together(only: str) -> None:
    """One without the other would be plaintext by mistake."""
    assert "go together" in _refusal(**{only: "/x.pem"})


@pytest.mark.parametrize("of", ["store_password", "store_sentinel_password"])
def test_a_password_is_given_once(of: str) -> None:
    """Or it is not known which of the two was meant; and no message shows it."""
    refusal = _refusal(**{of: "hidden", f"{of}_file": "/password"})
    assert f"SESSIOND_{of.upper()}_FILE" in refusal
    assert "hidden" not in refusal
    assert "hidden" not in repr(settings.load(**{of: "hidden"}))


@pytest.mark.parametrize("url", ["redis://store", "unix:///s", "redis+sentinel://store/main"])
@pytest.mark.parametrize("of", [{"ca": "/x"}, {"cert": "/x", "key": "/x"}])
def test_certificates_for_a_store_without_tls_are_refused(url: str, of: dict[str, str]) -> None:
    """Whoever gives some wants encryption, which such a URL does not mean."""
    files = {f"store_{kind}_file": path for kind, path in of.items()}
    assert "without TLS" in _refusal(store_url=url, **files)
    assert settings.load(store_url="rediss://store", **files)
    assert settings.load(store_url="rediss+sentinel://store/main", **files)


def test_replicas_are_waited_for_where_there_may_be_some() -> None:
    """The embedded engine has none: every revocation would take its time in vain."""
    refusal = _refusal(store_url="embedded:///here", store_wait_replicas=1)
    assert "SESSIOND_STORE_WAIT_REPLICAS" in refusal
    assert settings.load(store_wait_replicas=2).store_wait_replicas == 2


@pytest.mark.parametrize("over", [{"max_connection_age": "25d"}, {"max_request_bytes": 2**31}])
def test_what_grpc_cannot_be_told_is_refused(over: dict[str, Any]) -> None:
    """By name, and not by a fault at the start."""
    (name,) = over
    assert f"SESSIOND_{name.upper()}" in _refusal(**over)


def test_an_idle_lifetime_over_the_absolute_one_is_refused() -> None:
    """In any profile."""
    assert "idle_lifetime is over absolute_lifetime" in _refusal(idle_lifetime="91d")
    profiles = {"web": {"absolute_lifetime": "1d"}}
    assert "web" in _refusal(profiles=profiles)


def test_a_profile_takes_from_the_default_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And only that."""
    monkeypatch.setenv("SESSIOND_SESSION_CAP", "4")
    monkeypatch.setenv("SESSIOND_PROFILES", '{"web": {"idle_lifetime": "1h", "at_cap": "reject"}}')
    web = settings.load().all_profiles()["web"]
    assert (web.idle_ms, web.cap, web.at_cap) == (3_600_000, 4, AtCap.REJECT)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("1.5h", 5400),
     ("90", 90)],
)  # fmt: skip
def test_durations_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    """Or plain seconds."""
    assert settings.parse_duration(text) == timedelta(seconds=seconds)
