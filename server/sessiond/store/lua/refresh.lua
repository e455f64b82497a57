-- Presents a refresh token's generation, and extends the session unless it is refused.
-- include: clock hash extension ending
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] session id       ARGV[8] the token's generation   ARGV[9] request digest, or ''
--   ARGV[10] grace time, ms  ARGV[11] MAC key id              ARGV[12] fields that were cut
--   ARGV[13] client details, field and value pairs
-- Returns {'ROTATED', 'CURRENT', 'REPLAYED' or 'RECOVERED', now, hash, previous expiry},
-- {'REUSED', 'ENDED', 'EXPIRED' or 'AHEAD', now, hash} or {'NOT_FOUND'}.
local id, given, request = ARGV[7], tonumber(ARGV[8]), ARGV[9]
local grace, key_id = tonumber(ARGV[10]), ARGV[11]

local session, flat = read_session(id)
if not session then return { 'NOT_FOUND' } end
local state = state_of(session)
if session.e == tostring(TOKEN_REUSED) and given < tonumber(session.g) then
  -- The alarm is raised again for whoever retries after a lost reply.
  return { 'REUSED', now, flat }
end
if state ~= 'ACTIVE' then return { state, now, flat } end

local stored = tonumber(session.g)
local minted = tonumber(session.m) or math.floor(tonumber(session.c) / 1000)
-- A grace time of 0 is strict even within the same millisecond.
local within_grace = grace > 0 and math.abs(now - minted) <= grace
local retried = request ~= '' and request == session.q

local outcome
if given == stored then
  outcome = within_grace and 'CURRENT' or 'ROTATED'
elseif given == stored - 1 and (retried or within_grace) then
  outcome = 'REPLAYED'
elseif given < stored then
  outcome = 'REUSED'
elseif given <= stored + MOST_LOST then
  outcome = 'RECOVERED'
else
  return { 'AHEAD', now, flat }
end

if outcome == 'REPLAYED' then
  redis.call('HINCRBY', COUNTS, 'replayed', 1)
  return { outcome, now, flat, session.expiry }
end
if outcome == 'REUSED' then
  local before = census(session.u)
  reach(session.u, 1)
  finish(id, session, TOKEN_REUSED)
  write_counts()
  write_histogram(before, census(session.u))
  return { outcome, now, redis.call('HGETALL', session_key(id)) }
end

local expiry = extended_expiry(session)
local live, score = refreshed_score(session)
redis.call('EXISTS', COUNTS)

-- First write.
local writes = { 'x', int(expiry), 'r', int(now) }
if outcome ~= 'CURRENT' then
  for _, word in ipairs({ 'g', int(given + 1), 'm', int(now), 'K', key_id }) do
    writes[#writes + 1] = word
  end
  if request ~= '' then
    writes[#writes + 1] = 'q'
    writes[#writes + 1] = request
  elseif session.q then
    redis.call('HDEL', session_key(id), 'q')
  end
end
take_client(session, writes, ARGV[12], 13)
redis.call('HSET', session_key(id), unpack(writes))
redis.call('PEXPIREAT', session_key(id), int(expiry + REMEMBERED_MS))
if live then redis.call('ZADD', live, 'XX', int(score), id) end
redis.call('HINCRBY', COUNTS, 'refreshed', 1)
if outcome == 'RECOVERED' then redis.call('HINCRBY', COUNTS, 'recovered', 1) end
return { outcome, now, redis.call('HGETALL', session_key(id)), session.expiry }
