-- Prepares the old table. The old system may go on meanwhile: neither statement holds it up.

-- Under which request id a session is carried over, the same for all tabs and retries; and when it
-- was: soon after that, its old credential is refused.
ALTER TABLE sessions
  ADD COLUMN IF NOT EXISTS "adoptionId" uuid,
  ADD COLUMN IF NOT EXISTS "adoptedAt" timestamptz;

-- A rollback finds a session by its user and the moment of its creation.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_user_created ON sessions ("userId", "createdAt");
