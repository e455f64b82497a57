-- Ends a session. One that is unknown, ended or expired stays as it is.
-- include: clock hash ending
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] session id   ARGV[8] end reason
-- Returns {'REVOKED', 'ENDED' or 'EXPIRED', now, hash} or {'NOT_FOUND'}.
local id = ARGV[7]
local session, flat = read_session(id)
if not session then return { 'NOT_FOUND' } end
local state = state_of(session)
if state ~= 'ACTIVE' then return { state, now, flat } end

local before = census(session.u)
reach(session.u, 1)

-- First write.
finish(id, session, ARGV[8])
write_counts()
write_histogram(before, census(session.u))
return { 'REVOKED', now, redis.call('HGETALL', session_key(id)) }
