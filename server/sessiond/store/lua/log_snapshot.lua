-- Reads where the log of a partition ends and, if asked for, the ended sessions of which an access token
-- may still look alive.
-- include: clock log
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] 1 if the sessions are asked for, or 0
-- Returns {id of the last event or '0-0', how many events the log ever had, {session id, when its last
-- access token is surely dead, ...}}.
local last, added = log_extent()
local dead = {}
if ARGV[1] == '1' then
  dead = redis.call('ZRANGE', DEAD, '(' .. int(now), '+inf', 'BYSCORE', 'WITHSCORES')
end
return { last, added, dead }
