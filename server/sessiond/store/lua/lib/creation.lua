-- How a session comes into being, with every index, counter and the event in the same script.
--   ARGV[7]  user             ARGV[8]  session id        ARGV[9]  profile
--   ARGV[10] evict_oldest, evict_idle or reject          ARGV[11] cap
--   ARGV[12] idle, ms         ARGV[13] absolute, ms      ARGV[14] MAC key id
--   ARGV[20] field and value pairs of the new hash

-- `fields` are what only one of the scripts has; creation is in microseconds.
local function begin_session(created, expiry, absolute, fields)
  local user, id, profile = ARGV[7], ARGV[8], ARGV[9]
  local function add(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  add('u', user)
  add('c', int(created))
  add('x', int(expiry))
  add('X', int(absolute))
  add('i', ARGV[12])
  add('g', '1')
  add('K', ARGV[14])
  if profile ~= 'default' then add('p', profile) end
  if ARGV[10] == 'evict_idle' then add('k', '1') end
  for i = 20, #ARGV do fields[#fields + 1] = ARGV[i] end
  redis.call('HSET', session_key(id), unpack(fields))
  redis.call('PEXPIREAT', session_key(id), int(expiry + REMEMBERED_MS))
  redis.call('ZADD', live_key(profile, user), int(created), id)
  redis.call('ZADD', RECENT, int(created), id)
  redis.call('ZREMRANGEBYRANK', RECENT, 0, -RECENT_MOST - 1)
  count('live', 1)
  count('created', 1)
  visit(user, expiry)
  log(0, id, user, 0)
end
