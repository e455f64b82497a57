-- Reads a session, and at most once per activity interval records that it was seen.
-- include: clock hash
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] session id   ARGV[2] activity interval, ms
-- Returns {'ACTIVE', 'ENDED' or 'EXPIRED', now, hash} or {'NOT_FOUND'}.
local session, flat = read_session(ARGV[1])
if not session then return { 'NOT_FOUND' } end
local state = state_of(session)
if state == 'ACTIVE' then
  local refreshed = tonumber(session.r) or math.floor(tonumber(session.c) / 1000)
  local seen = math.max(refreshed, tonumber(session.l) or 0)
  if now - seen >= tonumber(ARGV[2]) then
    redis.call('HSET', session_key(ARGV[1]), 'l', int(now))
    flat[#flat + 1] = 'l'
    flat[#flat + 1] = int(now)
  end
end
return { state, now, flat }
