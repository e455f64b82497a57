"""Every setting of sessiond, the only place that defines one. docs/configuration.md lists them.

Each is read from the environment as SESSIOND_ and its name. Durations are a number and a unit
(`500ms`, `30s`, `10m`, `12h`, `7d`) or plain seconds.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from sessiond.domain.errors import StartupError
from sessiond.domain.limits import MAX_BATCH, MOST_EVENTS
from sessiond.domain.profile import DEFAULT_PROFILE, AtCap, Profile
from sessiond.domain.schedule import Schedule

ENV_PREFIX: Final = "SESSIOND_"
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PROFILE_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_CLAIM: Final = r"^[\x21\x23-\x5b\x5d-\x7e]+$"
"""Visible ASCII without quotes and backslashes: with escapes, access tokens would get too long."""
LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")


def parse_duration(value: Any) -> Any:
    """A duration from text, as in `7d`; anything else is left to pydantic."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if not match:
            raise ValueError("a duration is a number and a unit, such as 30s, 10m, 12h or 7d")
        try:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2] or "s"])
        except OverflowError:
            raise ValueError("is longer than any duration may be") from None
    return value


def _check_cron(value: str) -> str:
    if value:
        Schedule(value)
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Cron = Annotated[str, AfterValidator(_check_cron)]
Lifetime = Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=3660))]
Cap = Annotated[int, Field(ge=1, le=1000)]


def _variable(name: str) -> str:
    return ENV_PREFIX + name.upper()


def milliseconds(duration: timedelta) -> int:
    """A duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


class ProfileSettings(BaseModel):
    """A named policy; what it leaves out is as in the default profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle_lifetime: Lifetime | None = None
    absolute_lifetime: Lifetime | None = None
    session_cap: Cap | None = None
    at_cap: AtCap | None = None


class Settings(BaseSettings):
    """The settings of one server."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    dev: bool = Field(
        default=False,
        description="Development mode: loopback only, keys and callers made on first start,"
        " embedded engine, reflection.",
    )
    data_dir: Path = Field(
        default=Path(".sessiond"),
        description="Where development mode keeps its keys, callers, token and embedded engine.",
    )

    listen: str = Field(
        default="127.0.0.1:7700", description="Address and port to serve gRPC on; port 0 picks one."
    )
    tls_cert_file: Path | None = Field(
        default=None, description="PEM certificate chain of this server. With it, TLS only."
    )
    tls_key_file: Path | None = Field(default=None, description="PEM private key of the chain.")
    plaintext: bool = Field(
        default=False,
        description="Serve without TLS on an address that is not loopback, behind a proxy or mesh"
        " that encrypts.",
    )
    reflection: bool | None = Field(
        default=None, description="Serve gRPC reflection; by default only in development mode."
    )
    max_in_flight: int = Field(
        default=1000, ge=1, le=100_000, description="Calls in flight; more are refused at once."
    )
    max_call_time: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="The longest a call may take, also if its deadline is later or missing. Streams"
        " and operators' long work are bounded by their own deadline alone.",
    )
    max_request_bytes: int = Field(
        default=5 * 1024 * 1024, ge=16_384, description="The largest request message, in bytes."
    )
    drain_time: Duration = Field(
        default=timedelta(seconds=10), description="How long calls in flight may finish at a stop."
    )

    store_url: str | None = Field(
        default=None,
        description="embedded://DIR, redis://, rediss:// or unix://; by default, in development"
        " mode, embedded in data_dir.",
    )
    store_ca_file: Path | None = Field(
        default=None, description="PEM certificates that a rediss:// server is verified against."
    )
    store_max_in_flight: int = Field(
        default=10_000,
        ge=MAX_BATCH,
        le=1_000_000,
        description="Commands that wait for the store; more are refused at once.",
    )
    store_connect_timeout: Duration = Field(
        default=timedelta(seconds=1),
        gt=timedelta(0),
        description="How long connecting to the store may take.",
    )
    store_read_timeout: Duration = Field(
        default=timedelta(seconds=2),
        gt=timedelta(0),
        description="How long the store may be silent while it owes answers, connecting included.",
    )
    key_prefix: str = Field(
        default="ss",
        pattern=r"^[A-Za-z0-9_.-]{1,32}$",
        description="What every key in the store starts with.",
    )
    embedded_appendfsync: Literal["always", "everysec", "no"] = Field(
        default="everysec", description="appendfsync of the embedded engine."
    )
    embedded_maxmemory: str | None = Field(
        default=None, pattern=r"^\d+(kb|mb|gb)?$", description="maxmemory of the embedded engine."
    )

    keys_dir: Path | None = Field(
        default=None,
        description="The key ring's directory; by default, in development mode, in data_dir.",
    )
    key_reload_interval: Duration = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="How often the key ring and the callers file are looked at for changes.",
    )
    key_publish_time: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a new key is published before it signs.",
    )
    callers_file: Path | None = Field(
        default=None,
        description="TOML file of callers and their roles; by default, in development mode, in"
        " data_dir.",
    )
    issuer: str = Field(
        default="sessionstore",
        max_length=128,
        pattern=_CLAIM,
        description="The iss claim of access tokens.",
    )
    audience: str = Field(
        default="sessionstore",
        max_length=256,
        pattern=_CLAIM,
        description="The aud claim of access tokens when the caller names none.",
    )
    access_token_lifetime: Duration = Field(
        default=timedelta(minutes=60),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="How long an access token is good.",
    )
    service_token_lifetime: Duration = Field(
        default=timedelta(days=90),
        ge=timedelta(minutes=1),
        le=timedelta(days=400),
        description="The longest lifetime of a caller's service token.",
    )

    idle_lifetime: Lifetime = Field(
        default=timedelta(days=7),
        description="A session that is not refreshed for this long expires (default profile).",
    )
    absolute_lifetime: Lifetime = Field(
        default=timedelta(days=90),
        description="A session expires this long after its creation, however much it is used.",
    )
    session_cap: Cap = Field(default=10, description="Live sessions of one user, 1 to 1000.")
    at_cap: AtCap = Field(
        default=AtCap.EVICT_OLDEST,
        description="At the cap: evict_oldest, evict_idle (the one not refreshed the longest) or"
        " reject the new one. Cannot change between evict_idle and the others once in use.",
    )
    profiles: dict[str, ProfileSettings] = Field(
        default_factory=dict,
        description="Further profiles, as JSON: {NAME: {idle_lifetime, absolute_lifetime,"
        " session_cap, at_cap}}.",
    )
    grace_time: Duration = Field(
        default=timedelta(seconds=10),
        ge=timedelta(0),
        le=timedelta(minutes=10),
        description="How long a superseded refresh token is still answered with the current one;"
        " 0 is strict rotation.",
    )
    activity_interval: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="A validation records the session as seen at most this often.",
    )
    retention: Duration = Field(
        default=timedelta(days=30),
        ge=timedelta(hours=1),
        le=timedelta(days=3660),
        description="How long ended sessions are kept.",
    )
    request_id_lifetime: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="How long a request id is remembered.",
    )
    event_log_time: Duration = Field(
        default=timedelta(hours=2),
        description="How long events are kept; never under access_token_lifetime.",
    )
    event_log_max_length: int = Field(
        default=100_000, ge=1_000, description="Events kept in one of the 64 partitions, at most."
    )

    max_watchers: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Streams of WatchSessions at a time; they do not count as calls in flight.",
    )
    watch_max_age: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        description="How long a stream of WatchSessions lives, give or take a tenth; its client"
        " resumes it.",
    )
    watch_backlog: int = Field(
        default=10_000,
        ge=MOST_EVENTS,
        le=1_000_000,
        description="Events that wait for one stream of WatchSessions; a client that reads so"
        " slowly that there are more is cut off.",
    )

    reaper_interval: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        description="How often expired sessions are looked for; 0 turns the reaper off.",
    )
    reaper_batch: int = Field(
        default=100, ge=1, le=1000, description="Users that the reaper visits at a time."
    )

    stats_schedule: Cron = Field(
        default="0 * * * *",
        description="When the stats job is due: cron in UTC; if empty, on request only.",
    )
    stats_warn_live: int = Field(
        default=1000, ge=0, description="The stats job warns above so many live sessions."
    )
    orphans_schedule: Cron = Field(
        default="0 3 * * 0",
        description="When the orphans job is due: cron in UTC; if empty, on request only.",
    )
    job_jitter: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="A job begins up to this long after it is due.",
    )
    job_timeout: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        description="The longest a run of a job may take.",
    )
    user_directory: str | None = Field(
        default=None,
        min_length=1,
        description="Address of a UserDirectory service, which tells the orphans job what users no"
        " longer exist. It is called over TLS, unless it is on loopback.",
    )
    user_directory_ca_file: Path | None = Field(
        default=None,
        description="PEM certificates that the user directory is verified against; by default the"
        " system's.",
    )
    user_directory_plaintext: bool = Field(
        default=False,
        description="Call the user directory without TLS, through a proxy or mesh that encrypts.",
    )
    user_directory_token_file: Path | None = Field(
        default=None, description="File of a bearer token that the user directory is called with."
    )
    user_directory_max_missing: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="If the user directory misses more than this share of the users with live"
        " sessions, no session is ended.",
    )

    ops_listen: str | None = Field(
        default=None,
        pattern=r"^.+:\d+$",
        description="Address and port to serve metrics on, over HTTP at /metrics, to anybody; by"
        " default none are.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines to write."
    )
    log_format: Literal["json", "logfmt"] | None = Field(
        default=None,
        description="How log lines look: json, or logfmt; by default logfmt in development mode.",
    )

    audit_log_file: Path | None = Field(
        default=None,
        description="File that admin acts are appended to, a JSON object a line; they are in the"
        " log too, from log_level info on.",
    )

    @model_validator(mode="after")
    def _check_transport(self) -> Self:
        host = self.listen.rpartition(":")[0]
        if self.dev and host not in LOOPBACK:
            raise ValueError(
                "SESSIOND_LISTEN: development mode serves loopback only, such as 127.0.0.1:7700"
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("SESSIOND_TLS_CERT_FILE and SESSIOND_TLS_KEY_FILE go together")
        if self.tls_cert_file is None and not self.plaintext and host not in LOOPBACK:
            raise ValueError(
                "SESSIOND_LISTEN: without SESSIOND_TLS_CERT_FILE and SESSIOND_TLS_KEY_FILE only"
                " loopback is served; set SESSIOND_PLAINTEXT=true if a proxy or mesh encrypts"
            )
        return self

    @model_validator(mode="after")
    def _check_user_directory(self) -> Self:
        if self.user_directory_ca_file and self.user_directory_plaintext:
            raise ValueError(
                "SESSIOND_USER_DIRECTORY_CA_FILE and SESSIOND_USER_DIRECTORY_PLAINTEXT exclude each"
                " other"
            )
        return self

    @model_validator(mode="after")
    def _check_completeness(self) -> Self:
        if not self.dev:
            required = ("store_url", "keys_dir", "callers_file")
            missing = [name for name in required if getattr(self, name) is None]
            if missing:
                raise ValueError(
                    f"{', '.join(_variable(name) for name in missing)}: required outside"
                    " development mode, which `sessiond serve --dev` starts"
                )
        if (self.store_url or "").startswith("fakeredis") and not self.dev:
            raise ValueError("SESSIOND_STORE_URL: fakeredis is for tests")
        return self

    @model_validator(mode="after")
    def _check_lifetimes(self) -> Self:
        if self.event_log_time < self.access_token_lifetime:
            raise ValueError(
                "SESSIOND_EVENT_LOG_TIME: must not be under SESSIOND_ACCESS_TOKEN_LIFETIME"
            )
        for profile in self.all_profiles().values():
            if profile.idle_ms > profile.absolute_ms:
                raise ValueError(f"profile {profile.name}: idle_lifetime is over absolute_lifetime")
        return self

    def all_profiles(self) -> dict[str, Profile]:
        """The default profile and the named ones, complete."""
        named = {DEFAULT_PROFILE: ProfileSettings(), **self.profiles}
        for name in named:
            if not _PROFILE_NAME.fullmatch(name):
                raise ValueError(
                    f"SESSIOND_PROFILES: {name!r} is not a name: a-z, then a-z, 0-9, _ and -"
                )
        return {
            name: Profile(
                name=name,
                idle_ms=milliseconds(p.idle_lifetime or self.idle_lifetime),
                absolute_ms=milliseconds(p.absolute_lifetime or self.absolute_lifetime),
                cap=p.session_cap or self.session_cap,
                at_cap=p.at_cap or self.at_cap,
            )
            for name, p in named.items()
        }

    @property
    def effective_store_url(self) -> str:
        """The store URL, or development mode's."""
        return self.store_url or f"embedded://{self.data_dir.resolve() / 'store'}"

    @property
    def effective_log_format(self) -> Literal["json", "logfmt"]:
        """How log lines look."""
        return self.log_format or ("logfmt" if self.dev else "json")

    @property
    def effective_keys_dir(self) -> Path:
        """The key ring's directory, or development mode's."""
        return self.keys_dir or self.data_dir / "keys"

    @property
    def effective_callers_file(self) -> Path:
        """The callers file, or development mode's."""
        return self.callers_file or self.data_dir / "callers.toml"


def for_keys(keys_dir: Path) -> Settings:
    """Settings for a command that needs no more than keys and their lifetimes."""
    return load(dev=True, listen=Settings.model_fields["listen"].default, keys_dir=keys_dir)


def load(**overrides: Any) -> Settings:
    """The settings of the environment, with overrides from the command line.

    Raises:
        StartupError: a setting is wrong; the message names each by its environment variable.
    """
    unknown = [
        name
        for name in os.environ
        if name.startswith(ENV_PREFIX)
        and name.removeprefix(ENV_PREFIX).lower() not in Settings.model_fields
    ]
    if unknown:
        raise StartupError(f"no such setting: {', '.join(sorted(unknown))}")
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})
    except SettingsError:
        # Of all settings only this one is read as JSON.
        raise StartupError(f"{_variable('profiles')}: is not JSON") from None
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in problem["loc"])
            name = f"{_variable(where)}: " if where else ""
            lines.append(name + problem["msg"].removeprefix("Value error, "))
        raise StartupError("; ".join(lines)) from None
