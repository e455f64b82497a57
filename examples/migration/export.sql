-- Writes the old table as CSV, for `sessionctl import`. Times have a zone whatever the server's is.
SET TIME ZONE 'UTC';
SET datestyle = 'ISO, YMD';

COPY (
  SELECT id, "userId", "userAgent", "ipAddr", "createdAt", "expiresAt", "revokedAt"
  FROM sessions
  ORDER BY "createdAt", id
) TO STDOUT WITH (FORMAT csv, HEADER);
