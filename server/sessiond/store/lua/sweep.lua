-- Trims what time has overtaken in a partition, in bounded steps, and names users due for a visit.
-- include: clock
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] how long events are kept, ms   ARGV[2] most entries and users at a time
-- Returns {entries trimmed from `dead`, {user, ...}}.
local most = tonumber(ARGV[2])
local gone = redis.call('ZRANGE', DEAD, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, most)
local due = redis.call('ZRANGE', USERS, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, most)
redis.call('EXISTS', LOG)

-- First write.
if #gone > 0 then redis.call('ZREM', DEAD, unpack(gone)) end
redis.call('XTRIM', LOG, 'MINID', '~', int(now - tonumber(ARGV[1])))
return { #gone, due }
