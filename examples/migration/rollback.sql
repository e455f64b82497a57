-- Takes what `sessionctl export` wrote, on standard input, back into the old table: all of it or
-- nothing. It may be run again.
BEGIN;

CREATE TEMPORARY TABLE staged (
  id text,
  "userId" text,
  "userAgent" text,
  "ipAddr" text,
  "createdAt" timestamptz,
  "expiresAt" timestamptz,
  "revokedAt" timestamptz
) ON COMMIT DROP;

\copy staged FROM pstdin WITH (FORMAT csv, HEADER MATCH)

-- One row for each login. An export may name a session twice, and two logins of a user may share a
-- microsecond: what is ended in one of the rows is ended.
CREATE TEMPORARY TABLE arrived ON COMMIT DROP AS
SELECT
  "userId",
  "createdAt",
  max("userAgent") AS "userAgent",
  max("ipAddr") AS "ipAddr",
  max("expiresAt") AS "expiresAt",
  min("revokedAt") AS "revokedAt"
FROM staged
GROUP BY "userId", "createdAt";

CREATE UNIQUE INDEX ON arrived ("userId", "createdAt");
ANALYZE arrived;

-- The last update ends what has not arrived: never all of it by mistake.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM arrived) THEN
    RAISE EXCEPTION 'the export is empty: nothing is changed';
  END IF;
END
$$;

-- Sessions that were carried over: under their old id, as they are by now. Ended on either side is
-- ended (LEAST passes over NULL).
UPDATE sessions AS old
SET
  "userAgent" = arrived."userAgent",
  "ipAddr" = arrived."ipAddr",
  "expiresAt" = arrived."expiresAt",
  "revokedAt" = LEAST(old."revokedAt", arrived."revokedAt"),
  "adoptionId" = NULL,
  "adoptedAt" = NULL
FROM arrived
WHERE old."userId" = arrived."userId" AND old."createdAt" = arrived."createdAt";

-- Sessions that began since. Their ids over there are no secrets and must not become credentials
-- here, so they get ids of their own.
INSERT INTO sessions (id, "userId", "userAgent", "ipAddr", "createdAt", "expiresAt", "revokedAt")
SELECT
  gen_random_uuid()::text, "userId", "userAgent", "ipAddr", "createdAt", "expiresAt", "revokedAt"
FROM arrived
WHERE NOT EXISTS (
  SELECT FROM sessions AS old
  WHERE old."userId" = arrived."userId" AND old."createdAt" = arrived."createdAt"
);

-- What is live here and unknown over there has ended there, and is forgotten; or it was never
-- carried over.
UPDATE sessions AS old
SET "revokedAt" = now()
WHERE old."revokedAt" IS NULL AND old."expiresAt" > now() AND NOT EXISTS (
  SELECT FROM arrived
  WHERE old."userId" = arrived."userId" AND old."createdAt" = arrived."createdAt"
);

COMMIT;
