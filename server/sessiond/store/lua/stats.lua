-- Reads what a partition counts. It costs the same however much the partition holds.
-- include: clock
-- flags: no-writes
--   KEYS[1] partition base
-- Returns {now, users, users due for a visit, how long the first has been due in ms, events,
-- {counter, value, ...}}.
local first = redis.call('ZRANGE', USERS, 0, 0, 'WITHSCORES')
return {
  now, redis.call('ZCARD', USERS), redis.call('ZCOUNT', USERS, '-inf', int(now)),
  math.max(0, now - (tonumber(first[2]) or now)), redis.call('XLEN', LOG),
  redis.call('HGETALL', COUNTS),
}
