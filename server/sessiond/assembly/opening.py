"""What the settings say of the way to the store, and of who may call."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from sessiond.domain.callers import CallerLimits
from sessiond.settings import Settings
from sessiond.store.access import Access
from sessiond.store.link import LinkLimits
from sessiond.store.replica_wait import WaitPolicy
from sessiond.tokens.callers import Callers


def link_limits(settings: Settings) -> LinkLimits:
    """How long the store is waited for."""
    return LinkLimits(
        connect_s=settings.store_connect_timeout.total_seconds(),
        read_s=settings.store_read_timeout.total_seconds(),
        in_flight=settings.store_max_in_flight,
    )


def wait_policy(settings: Settings) -> WaitPolicy | None:
    """What is asked of replicas; None for nothing."""
    replicas = settings.store_wait_replicas
    timeout_s = settings.store_wait_timeout.total_seconds()
    return WaitPolicy(replicas, timeout_s) if replicas else None


def store_access(settings: Settings) -> Access:
    """As whom the store is asked, and how it is verified."""
    access = Access(
        username=settings.store_username,
        password=_plain(settings.store_password),
        password_file=settings.store_password_file,
        client_name=settings.store_client_name,
        ca_file=settings.store_ca_file,
        cert_file=settings.store_cert_file,
        key_file=settings.store_key_file,
    )
    username = settings.store_sentinel_username
    password = _plain(settings.store_sentinel_password)
    password_file = settings.store_sentinel_password_file
    if not (username or password or password_file):
        return access
    watched = replace(access, username=username, password=password, password_file=password_file)
    return replace(access, sentinels=watched)


def load_callers(settings: Settings) -> Callers:
    """Those of the callers file.

    Raises:
        StartupError: the file cannot be used.
    """
    return Callers.load(
        settings.effective_callers_file,
        certificates=settings.tls_client_ca_file is not None,
        limits=CallerLimits(
            settings.caller_max_in_flight,
            settings.caller_calls_per_second or None,
            settings.caller_max_watchers,
        ),
    )


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
