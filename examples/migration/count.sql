-- Counts the old table's sessions by state, and the users that hold them.
SELECT
  count(*) AS all,
  count(*) FILTER (WHERE "revokedAt" IS NOT NULL) AS revoked,
  count(*) FILTER (WHERE "revokedAt" IS NULL AND "expiresAt" <= now()) AS expired,
  count(*) FILTER (WHERE "revokedAt" IS NULL AND "expiresAt" > now()) AS live,
  count(DISTINCT "userId") FILTER (WHERE "revokedAt" IS NULL AND "expiresAt" > now()) AS live_users
FROM sessions;
