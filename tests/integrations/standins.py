"""Verifiers and clients that fail as they are told to, or count."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

from sessionstore import (
    AsyncLocalVerifier,
    AsyncSessionClient,
    LocalVerifier,
    SessionClient,
    SessionStoreError,
    Unavailable,
)
from tests.integrations.sites import Kind

OUT_OF_REACH = Unavailable(grpc.StatusCode.UNAVAILABLE, "canary")


class _Verifier(LocalVerifier):
    def __init__(self, error: SessionStoreError) -> None:
        self._error = error

    def verify(self, token: str) -> NoReturn:
        raise self._error


class _AsyncVerifier(AsyncLocalVerifier):
    def __init__(self, error: SessionStoreError) -> None:
        self._error = error

    async def verify(self, token: str) -> NoReturn:
        raise self._error


class _Client(SessionClient):
    def __init__(self, error: SessionStoreError) -> None:
        self._error = error

    def refresh(self, *_: Any, **__: Any) -> NoReturn:
        raise self._error


class _AsyncClient(AsyncSessionClient):
    def __init__(self, error: SessionStoreError) -> None:
        self._error = error

    async def refresh(self, *_: Any, **__: Any) -> NoReturn:
        raise self._error


def failing_verifier(kind: Kind, error: SessionStoreError = OUT_OF_REACH) -> Any:
    """A verifier that answers every token so."""
    return (_AsyncVerifier if kind.is_async else _Verifier)(error)


def failing_client(kind: Kind, error: SessionStoreError = OUT_OF_REACH) -> Any:
    """A client whose every refresh fails so."""
    return (_AsyncClient if kind.is_async else _Client)(error)
