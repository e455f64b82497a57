"""What it costs to verify an access token here, and to have the service do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import partial
from statistics import median
from typing import Any, Final

import jwt

from answers import WrongAnswerError
from serving import Server
from sessionstore import LocalVerifier, SessionClient, WhenStale

ROUNDS: Final = 5
SIGHTS: Final = 50
"""How often each token is verified once it is known."""
CALLS: Final = 300
"""Of ValidateSession in a round."""
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Costs:
    """CPU time of one token, in microseconds."""

    seen: float
    """By a LocalVerifier that has seen it before."""
    new: float
    """By one that has not."""
    pyjwt: float
    """By `jwt.decode` with signature, audience, issuer and times."""
    validate_client: float
    """By ValidateSession: of the calling process, gRPC's threads included."""
    validate_server: float

    @classmethod
    def median_of(cls, rounds: Sequence[Costs]) -> Costs:
        """The median of each."""
        return cls(*map(median, zip(*map(astuple, rounds), strict=True)))


@contextmanager
def ready_verifier(
    address: str, token: str, audience: str
) -> Iterator[tuple[SessionClient, LocalVerifier]]:
    """A verifier that knows all there is to know, and never asks; and its client."""
    with (
        SessionClient(address, token=token) as client,
        LocalVerifier(client, audience=audience, when_stale=WhenStale.REFUSE) as verifier,
    ):
        if not verifier.wait_ready(_PATIENCE_S):
            raise WrongAnswerError(f"the verifier is not ready: {verifier.state}")
        yield client, verifier


def measure(server: Server, audience: str, tokens: Sequence[str]) -> Costs:
    """Verify all tokens, a part of them in each round. Every one has to be good."""
    with ready_verifier(server.address, server.token, audience) as (client, verifier):
        decode = _decoder(client, audience)

        def validate(token: str) -> None:
            if not client.validate(access_token=token, audience=audience):
                raise WrongAnswerError("a good token is not valid")

        def one_round(part: list[str]) -> Costs:
            new = _cpu_us(verifier.verify, part, time.thread_time)
            seen = _cpu_us(verifier.verify, part * SIGHTS, time.thread_time)
            pyjwt = _cpu_us(decode, part, time.thread_time)
            asked = part[:CALLS]
            before_s = server.cpu_s()
            ours = _cpu_us(validate, asked, time.process_time)
            theirs = (server.cpu_s() - before_s) / len(asked) * 1e6
            return Costs(seen, new, pyjwt, ours, theirs)

        return Costs.median_of([one_round(list(tokens[i::ROUNDS])) for i in range(ROUNDS)])


def _decoder(client: SessionClient, audience: str) -> Callable[[str], Any]:
    """What one would otherwise write, with the key at hand."""
    keys = client.signing_keys()
    (key,) = keys.keys
    return partial(
        jwt.decode,
        key=jwt.PyJWK(key.as_jwk(), key.alg).key,
        algorithms=[key.alg],
        audience=audience,
        issuer=keys.issuer,
    )


def _cpu_us(
    work: Callable[[str], object], tokens: Sequence[str], clock: Callable[[], float]
) -> float:
    """CPU time of the work for each token, in microseconds."""
    before_s = clock()
    for token in tokens:
        work(token)
    return (clock() - before_s) / len(tokens) * 1e6
