-- Names some users of a partition: a step of a walk past all of them.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] cursor, 0 to begin   ARGV[2] about how many users
-- Returns {the next cursor, '0' at the end, {user, ...}}.
local step = redis.call('ZSCAN', USERS, ARGV[1], 'COUNT', ARGV[2])
local users = {}
for i = 1, #step[2], 2 do users[#users + 1] = step[2][i] end
return { step[1], users }
