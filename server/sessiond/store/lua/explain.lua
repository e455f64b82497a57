-- Reads a session in any state, and what the indexes of its partition say of it.
-- include: clock hash
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] session id
-- Returns {now, when its access tokens are surely dead or '', hash, when it is forgotten in ms,
-- whether the index that its state asks for has it (0 or 1)}; of a session that is gone the first two.
local id = ARGV[1]
local dead_at = redis.call('ZSCORE', DEAD, id) or ''
local session, flat = read_session(id)
if not session then return { now, dead_at } end

local index = { ACTIVE = live_key(session.p or 'default', session.u), ENDED = history_key(session.u) }
local asked = index[state_of(session)]
local indexed = not asked or redis.call('ZSCORE', asked, id)
return { now, dead_at, flat, redis.call('PEXPIRETIME', session_key(id)), indexed and 1 or 0 }
