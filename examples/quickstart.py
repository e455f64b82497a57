"""A session's life in a minute, against a development server: `make run`, then this."""

from __future__ import annotations

import os

from sessionstore import ClientInfo, SessionClient, SessionUnusable

ADDRESS = os.environ.get("SESSIONSTORE_ADDRESS", "127.0.0.1:7700")
TOKEN_FILE = os.environ.get("SESSIONSTORE_TOKEN_FILE", ".sessiond/dev.token")


def main() -> None:
    """Log in, refresh, get found out as a thief, and log out."""
    with SessionClient(ADDRESS, token_file=TOKEN_FILE) as sessions:
        laptop = ClientInfo(user_agent="Firefox on Linux", device_name="Alice's laptop")
        login = sessions.create("alice", client=laptop)
        print(f"logged in:   session {login.session.id} until {login.session.expire_time:%c}")

        refreshed = sessions.refresh(login.tokens.refresh_token)
        print(f"refreshed:   session {refreshed.session.id}, {refreshed.outcome.name}")

        verdict = sessions.validate(access_token=refreshed.tokens.access_token)
        print(f"validated:   {verdict.verdict.name}")

        for _ in range(10):
            made = sessions.create("alice", client=ClientInfo(user_agent="another browser"))
        evicted = ", ".join(session.id for session in made.evicted_sessions)
        print(f"ten more:    the oldest made room: {evicted}")

        ended = sessions.revoke_user("alice", except_session_id=made.session.id)
        print(f"log out all: {len(ended.session_ids)} others ended")

        try:
            sessions.refresh(login.tokens.refresh_token)
        except SessionUnusable as error:
            print(f"refused:     {error.reason}: {error.end_reason}")

        sessions.revoke(session_id=made.session.id)
        print(f"left:        {[s.state.name for s in sessions.list('alice', page_size=3)][:3]}")


if __name__ == "__main__":
    main()
