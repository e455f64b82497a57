"""Every RPC and the role that it needs. A test holds this against the protos."""

from __future__ import annotations

from typing import Final

from sessiond.domain.callers import Role

SESSION_SERVICE: Final = "sessionstore.v1.SessionService"
ADMIN_SERVICE: Final = "sessionstore.v1.AdminService"
SERVICES: Final = (SESSION_SERVICE, ADMIN_SERVICE)

LONG: Final = frozenset({f"/{ADMIN_SERVICE}/ListUsers"})
"""What takes as long as the store is large, beside all that streams."""

STANDING: Final = frozenset({f"/{SESSION_SERVICE}/WatchSessions"})
"""What stays open by design, and has a bound of its own."""

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
    f"/{SESSION_SERVICE}/WatchSessions": Role.READER,
    f"/{SESSION_SERVICE}/GetSigningKeys": Role.READER,
    f"/{ADMIN_SERVICE}/GetStats": Role.ADMIN,
    f"/{ADMIN_SERVICE}/ListRecentSessions": Role.ADMIN,
    f"/{ADMIN_SERVICE}/ListUsers": Role.ADMIN,
    f"/{ADMIN_SERVICE}/ExplainSession": Role.ADMIN,
    f"/{ADMIN_SERVICE}/PurgeSessions": Role.ADMIN,
    f"/{ADMIN_SERVICE}/DeleteUser": Role.ADMIN,
    f"/{ADMIN_SERVICE}/AuditIndex": Role.ADMIN,
    f"/{ADMIN_SERVICE}/ListJobs": Role.ADMIN,
    f"/{ADMIN_SERVICE}/RunJob": Role.ADMIN,
    f"/{ADMIN_SERVICE}/ImportSessions": Role.ADMIN,
    f"/{ADMIN_SERVICE}/ExportSessions": Role.ADMIN,
    f"/{ADMIN_SERVICE}/RotateSigningKey": Role.ADMIN,
}
