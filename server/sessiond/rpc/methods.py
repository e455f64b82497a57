"""Every RPC and the role that it needs. A test holds this against the protos."""

from __future__ import annotations

from typing import Final

from sessiond.domain.callers import Role

SESSION_SERVICE: Final = "sessionstore.v1.SessionService"

ROLES: Final = {
    f"/{SESSION_SERVICE}/CreateSession": Role.WRITER,
    f"/{SESSION_SERVICE}/RefreshSession": Role.WRITER,
    f"/{SESSION_SERVICE}/ExtendSession": Role.WRITER,
    f"/{SESSION_SERVICE}/ValidateSession": Role.READER,
    f"/{SESSION_SERVICE}/BatchValidateSessions": Role.READER,
    f"/{SESSION_SERVICE}/GetSession": Role.READER,
    f"/{SESSION_SERVICE}/ListSessions": Role.READER,
    f"/{SESSION_SERVICE}/UpdateSession": Role.WRITER,
    f"/{SESSION_SERVICE}/RevokeSession": Role.WRITER,
    f"/{SESSION_SERVICE}/RevokeUserSessions": Role.WRITER,
    f"/{SESSION_SERVICE}/AdoptSession": Role.WRITER,
    f"/{SESSION_SERVICE}/GetSigningKeys": Role.READER,
}
