-- Extends a live session without a token.
-- include: clock hash extension
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] session id   ARGV[2] fields that were cut   ARGV[3] client details, field and value pairs
-- Returns {'EXTENDED', now, hash, previous expiry}, {'ENDED' or 'EXPIRED', now, hash} or
-- {'NOT_FOUND'}.
local id = ARGV[1]
local session, flat = read_session(id)
if not session then return { 'NOT_FOUND' } end
local state = state_of(session)
if state ~= 'ACTIVE' then return { state, now, flat } end

local expiry = extended_expiry(session)
local live, score = refreshed_score(session)
redis.call('EXISTS', COUNTS)

-- First write.
local writes = { 'x', int(expiry), 'r', int(now) }
take_client(session, writes, ARGV[2], 3)
redis.call('HSET', session_key(id), unpack(writes))
redis.call('PEXPIREAT', session_key(id), int(expiry + REMEMBERED_MS))
if live then redis.call('ZADD', live, 'XX', int(score), id) end
redis.call('HINCRBY', COUNTS, 'extended', 1)
return { 'EXTENDED', now, redis.call('HGETALL', session_key(id)), session.expiry }
