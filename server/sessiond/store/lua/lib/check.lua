-- What every session must have by itself, whichever index it is in.

-- A set ordered by refresh may be ahead of the refresh by what the engine's clock ever stepped back.
local STEPPED_BACK_US = 60000000

-- A setting that was changed makes no drift of what ended before: a retention that any server had is
-- right, and tokens of then had the lifetimes of then.
local settings = redis.call('HMGET', META, 'retention_min', 'retention_max', 'access_since')
local SHORTEST = math.min(RETENTION, tonumber(settings[1] or RETENTION))
local LONGEST = math.max(RETENTION, tonumber(settings[2] or RETENTION))
local ACCESS_SINCE = tonumber(settings[3] or 0)

-- A slot that moves key by key carries the time that is left, not when it runs out: each move shifts it
-- by what it took, and by what the clocks of the two nodes differ.
local MOVED_MS = 10000

local function is_near(runs_out, right) return math.abs(runs_out - right) <= MOVED_MS end

-- By profile, what its sets are ordered by.
local orders, order_pairs = {}, redis.call('HGETALL', PROFILES)
for i = 1, #order_pairs, 2 do orders[order_pairs[i]] = order_pairs[i + 1] end

-- The fields that every session must have, then those that tell its state; and when it runs out.
local function read(id)
  local key = session_key(id)
  return redis.pcall('HMGET', key, 'u', 'c', 'x', 'X', 'i', 'g', 'K', 'p', 'e', 'E'),
    redis.call('PEXPIRETIME', key)
end

local function has_all_fields(f)
  return not f.err and f[1] and f[2] and f[3] and f[4] and f[5] and f[6] and f[7]
end

-- User, when it runs out, creation, expiry, profile, end reason and end of a session. No user: one that
-- lacks what it must have, or, if it runs out at -2, one that is gone.
local function read_checked(id)
  local f, runs_out = read(id)
  if runs_out == -2 then return nil, -2 end
  local expiry, profile, reason, ended = tonumber(f[3]), f[8] or 'default', f[9], tonumber(f[10])
  -- Half an ending is none; but nor is it a session to bring back to life.
  local whole = has_all_fields(f) and expiry and (reason == false) == (ended == nil)
  if not whole or not orders[profile] then return nil end
  return f[1], runs_out, f[2], expiry, profile, reason, ended
end

local function check_ttl(drifts, id, user, runs_out, expiry, ended)
  local right = ended and ended + RETENTION or expiry + REMEMBERED_MS
  if is_near(runs_out, right) then return drifts end
  local shortest, longest = (ended or 0) + SHORTEST - MOVED_MS, (ended or 0) + LONGEST + MOVED_MS
  if ended and shortest <= runs_out and runs_out <= longest then return drifts end
  return add(drifts, runs_out == -1 and 'TTL_MISSING' or 'TTL_WRONG', id, user, function()
    redis.call('PEXPIREAT', session_key(id), int(right))
    if ended then visit(user, right) end
  end)
end

-- The earliest and the latest score that is right in a live set.
local function right_scores(id, profile, created)
  if orders[profile] ~= 'refreshed' then return created, created end
  local refreshed = tonumber(redis.call('HGET', session_key(id), 'r'))
  if not refreshed then return created, created end
  local earliest = math.max(created, refreshed * 1000)
  return earliest, earliest + STEPPED_BACK_US
end

local function is_placed(id, profile, created, score)
  if score == created then return true end
  local earliest, latest = right_scores(id, profile, tonumber(created))
  score = tonumber(score)
  return earliest <= score and score <= latest
end

local function check_score(drifts, id, user, profile, created, score)
  if is_placed(id, profile, created, score) then return drifts end
  return add(drifts, 'LIVE_ENTRY_MISPLACED', id, user, function()
    local earliest = right_scores(id, profile, tonumber(created))
    redis.call('ZADD', live_key(profile, user), int(earliest), id)
  end)
end

local function check_dead(drifts, id, user, expiry, ended)
  local dead_at = dead_time(expiry, ended)
  if dead_at <= now or ended < ACCESS_SINCE or redis.call('ZSCORE', DEAD, id) then return drifts end
  return add(drifts, 'DEAD_ENTRY_MISSING', id, user, function()
    redis.call('ZADD', DEAD, int(dead_at), id)
  end)
end
