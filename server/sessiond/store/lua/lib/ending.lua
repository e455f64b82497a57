-- How a session leaves: by an end reason (finish) or by expiry (drop), with every index, counter and
-- the event in the same script.
--   ARGV[1] retention of ended sessions, ms      ARGV[2] longest access token lifetime, ms
--   ARGV[3] leeway of token verifiers, ms        ARGV[4] how long events are kept, ms
--   ARGV[5] most events kept                     ARGV[6] caller, or '' for a rule
local RETENTION, LEEWAY = tonumber(ARGV[1]), tonumber(ARGV[3])
local LOG_WINDOW, LOG_MOST, BY = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local HISTORY_MOST = 100

local changes = {}
local function count(field, by) changes[field] = (changes[field] or 0) + by end

local function write_counts()
  for field, by in pairs(changes) do
    if by ~= 0 then redis.call('HINCRBY', COUNTS, field, by) end
  end
end

local known_profiles
local function all_profiles()
  known_profiles = known_profiles or redis.call('HKEYS', PROFILES)
  return known_profiles
end

-- How many members the user's live sets hold, over all profiles.
local function census(user)
  local total = 0
  for _, profile in ipairs(all_profiles()) do
    total = total + redis.call('ZCARD', live_key(profile, user))
  end
  return total
end

-- Moves the user between the bars of the histogram of users by number of live sessions.
local function write_histogram(before, after)
  if before == after then return end
  if before > 0 and redis.call('HINCRBY', COUNTS, 'w:' .. before, -1) == 0 then
    redis.call('HDEL', COUNTS, 'w:' .. before)
  end
  if after > 0 then redis.call('HINCRBY', COUNTS, 'w:' .. after, 1) end
end

-- Reads every key that ending `ending` sessions of the user will write, besides their own hashes and
-- live sets: while a cluster slot moves, a script fails whole or not at all.
local function reach(user, ending)
  redis.call('EXISTS', USERS, COUNTS, RECENT, DEAD, LOG, history_key(user))
  local excess = redis.call('ZCARD', history_key(user)) + ending - HISTORY_MOST
  if excess > 0 then
    for _, id in ipairs(redis.call('ZRANGE', history_key(user), 0, excess - 1)) do
      redis.call('EXISTS', session_key(id))
    end
  end
end

local function log(reason, id, user, dead_at)
  redis.call('XADD', LOG, 'MINID', '~', int(now - LOG_WINDOW), '*',
    'e', reason, 's', id, 'u', user, 'd', int(dead_at))
  local over = redis.call('XLEN', LOG) - LOG_MOST
  -- A stream is trimmed by whole nodes of 100 entries: at most one node over the cap.
  if over > 100 then count('log_cut', redis.call('XTRIM', LOG, 'MAXLEN', LOG_MOST)) end
end

-- The user needs a visit at this time, or earlier.
local function visit(user, at) redis.call('ZADD', USERS, 'LT', int(at), user) end

-- The history's next score. Above all before it, or a clock that stepped back would trim what has only
-- just ended.
local function last_in_history(user)
  local newest = redis.call('ZRANGE', history_key(user), -1, -1, 'WITHSCORES')
  return math.max(now, (tonumber(newest[2]) or 0) + 1)
end

local function keep_history(user, id, score)
  local history = history_key(user)
  redis.call('ZADD', history, int(score), id)
  count('ended', 1)
  local excess = redis.call('ZCARD', history) - HISTORY_MOST
  if excess > 0 then
    local oldest = redis.call('ZPOPMIN', history, excess)
    for i = 1, #oldest, 2 do redis.call('DEL', session_key(oldest[i])) end
    count('ended', -excess)
  end
end

-- Takes an entry out of the history; its hash is the caller's to delete.
local function forget(id, user)
  if redis.call('ZREM', history_key(user), id) == 1 then count('ended', -1) end
end

-- A user who holds nothing needs no visit.
local function forget_user(user)
  if census(user) + redis.call('ZCARD', history_key(user)) == 0 then
    redis.call('ZREM', USERS, user)
  end
end

-- The longest lifetime that any server of this store ever gave access tokens.
local longest
local function longest_access()
  longest = longest
    or math.max(tonumber(ARGV[2]), tonumber(redis.call('HGET', META, 'access') or 0))
  return longest
end

-- When the last access token of a session with this expiry is surely dead, if it ended at this time.
local function dead_time(expiry, ended)
  return math.min(expiry, ended + longest_access()) + LEEWAY
end

-- Takes a live session out of its live set, and tells verifiers, counters and log why.
local function leave(id, session, reason)
  redis.call('ZREM', live_key(session.p or 'default', session.u), id)
  count('live', -1)
  count('e:' .. reason, 1)
  local dead_at = dead_time(session.expiry, now)
  redis.call('ZADD', DEAD, int(dead_at), id)
  log(reason, id, session.u, dead_at)
end

-- Ends a live session, which is kept. `session` has at least u, p and expiry.
local function finish(id, session, reason)
  local key = session_key(id)
  local private = { 'f', 'q', 'w' }
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.byte(field) == 46 then private[#private + 1] = field end
  end
  redis.call('HDEL', key, unpack(private))
  redis.call('HSET', key, 'e', reason, 'E', int(now))
  if BY ~= '' then redis.call('HSET', key, 'B', BY) end
  redis.call('PEXPIREAT', key, int(now + RETENTION))
  leave(id, session, reason)
  keep_history(session.u, id, last_in_history(session.u))
  visit(session.u, now + RETENTION)
end

-- Ends a live session, of which nothing is kept.
local function erase(id, session, reason)
  redis.call('DEL', session_key(id))
  leave(id, session, reason)
end

-- Takes a dead member out of a live set and counts why. `session` is nil if its hash is gone.
local function drop(id, profile, user, session)
  if redis.call('ZREM', live_key(profile, user), id) == 0 then return end
  count('live', -1)
  if session and session.e then return end
  local reason, dead_at = EXPIRED, 0
  if session then
    reason = session.x == session.X and ABSOLUTE or IDLE
    dead_at = session.expiry + LEEWAY
  end
  count('e:' .. reason, 1)
  log(reason, id, user, dead_at)
end

-- The members of one live set in order, each as {id, session or nil}: nil too of a key that is no hash.
local function members_of(profile, user)
  local members = {}
  for i, id in ipairs(redis.call('ZRANGE', live_key(profile, user), 0, -1)) do
    local f = redis.pcall('HMGET', session_key(id), 'x', 'X', 'e', 'd')
    local x, session = f[1], nil
    if x then
      session = { u = user, p = profile, x = x, X = f[2], e = f[3], d = f[4], expiry = tonumber(x) }
    end
    members[i] = { id = id, session = session }
  end
  return members
end

local function is_dead(session) return not session or session.e or session.expiry <= now end
