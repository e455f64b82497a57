-- Reads where the log of a partition ends and, if asked for, the ended sessions of which an access token
-- may still look alive.
-- include: clock
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] 1 if the sessions are asked for, or 0
-- Returns {id of the last event or '0-0', how many events the log ever had, {session id, when its last
-- access token is surely dead, ...}}.
local last, added = '0-0', 0
if redis.call('EXISTS', LOG) == 1 then
  local flat = redis.call('XINFO', 'STREAM', LOG)
  for i = 1, #flat, 2 do
    if flat[i] == 'last-generated-id' then last = flat[i + 1] end
    if flat[i] == 'entries-added' then added = flat[i + 1] end
  end
end
local dead = {}
if ARGV[1] == '1' then
  dead = redis.call('ZRANGE', DEAD, '(' .. int(now), '+inf', 'BYSCORE', 'WITHSCORES')
end
return { last, added, dead }
