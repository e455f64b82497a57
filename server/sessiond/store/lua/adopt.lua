-- Hands an imported session to the first who asks for its tokens.
-- include: clock hash idempotency
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] session id     ARGV[2] user             ARGV[3] MAC key id
--   ARGV[4] request hash   ARGV[5] digest of the request      ARGV[6] its TTL, ms
-- Returns {'ADOPTED' or 'REPLAYED', now, hash}, {'ENDED' or 'EXPIRED', now, hash}, {'NOT_FOUND'},
-- {'REQUEST_ID_REUSED'}, {'REPLAY_SUPERSEDED'} or {'ALREADY_ADOPTED'}.
local id, user, request, digest = ARGV[1], ARGV[2], ARGV[4], ARGV[5]

local seen = recall(request, digest)
if seen == false then return { 'REQUEST_ID_REUSED' } end
local session, flat = read_session(id)
-- A later generation tells that somebody holds its tokens, even if a failover undid the adoption.
local untouched = session and session.g == '1'
if seen then
  if not untouched or state_of(session) ~= 'ACTIVE' then return { 'REPLAY_SUPERSEDED' } end
  return { 'REPLAYED', now, flat }
end
if not session or session.u ~= user then return { 'NOT_FOUND' } end
local state = state_of(session)
if state ~= 'ACTIVE' then return { state, now, flat } end
if not session.y or not untouched then return { 'ALREADY_ADOPTED' } end
redis.call('EXISTS', COUNTS, request_key(request))

-- First write.
redis.call('HDEL', session_key(id), 'y')
redis.call('HSET', session_key(id), 'm', int(now), 'K', ARGV[3])
redis.call('HINCRBY', COUNTS, 'adopted', 1)
remember(request, digest, { id }, ARGV[6])
return { 'ADOPTED', now, redis.call('HGETALL', session_key(id)) }
