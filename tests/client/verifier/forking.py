"""Fork with a verifier at work, and verify in the child. Run on its own, as a client's forks are.

python -m tests.client.verifier.forking ADDRESS ROUNDS GOOD ENDED
"""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

from sessionstore import LocalVerifier, SessionClient, SessionEnded, WhenStale
from tests.client.forking import PATIENCE_S, in_child, said
from tests.client.verifier.access import AUDIENCE


def main(address: str, rounds: int, good: str, ended: str) -> None:
    verifier = LocalVerifier(
        SessionClient(address, token="parent"),
        audience=AUDIENCE,
        when_stale=WhenStale.REFUSE,
        max_age=timedelta(seconds=30),
    )

    def verify() -> None:
        """Only a feed of this process's own makes it ready."""
        if not verifier.wait_ready(PATIENCE_S):
            raise TimeoutError(str(verifier.state))
        verifier.verify(good)
        try:
            verifier.verify(ended)
        except SessionEnded:
            feeds = [each for each in threading.enumerate() if each.name == "sessionstore-feed"]
            if len(feeds) != 1:
                raise AssertionError(feeds) from None
            return
        raise AssertionError("the ended session was let in")

    for round_ in range(rounds):
        verify()
        print(in_child(verify, exits=round_ % 2 == 0), flush=True)  # noqa: T201
    print(said(verify), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
