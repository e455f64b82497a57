-- Reads a session in any state.
-- include: clock hash
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] session id
-- Returns {'ACTIVE', 'ENDED' or 'EXPIRED', now, hash} or {'NOT_FOUND'}.
local session, flat = read_session(ARGV[1])
if not session then return { 'NOT_FOUND' } end
return { state_of(session), now, flat }
