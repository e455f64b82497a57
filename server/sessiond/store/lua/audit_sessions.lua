-- Holds sessions against the indexes that must have them and the TTL that they must have.
-- include: clock hash ending audit
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] 'repair' to repair          ARGV[8] most sessions to look at
--   ARGV[9] how many profile and cap pairs follow, then those, then session ids
-- Returns {sessions done, {kind of drift, session id, ...}}.
-- A set ordered by refresh may be ahead of the refresh by what the engine's clock ever stepped back.
local STEPPED_BACK_US = 60000000
local caps, ids = {}, {}
local pairs_end = 9 + 2 * tonumber(ARGV[9])
for i = 10, pairs_end, 2 do caps[ARGV[i]] = tonumber(ARGV[i + 1]) end
for i = pairs_end + 1, #ARGV do ids[#ids + 1] = ARGV[i] end
local profiles = {}
for _, profile in ipairs(redis.call('HKEYS', PROFILES)) do profiles[profile] = true end

-- A setting that was changed makes no drift of what ended before: a retention that any server had is
-- right, and tokens of then had the lifetimes of then.
local bounds = redis.call('HMGET', META, 'retention_min', 'retention_max', 'access_since')
local SHORTEST = math.min(RETENTION, tonumber(bounds[1] or RETENTION))
local LONGEST = math.max(RETENTION, tonumber(bounds[2] or RETENTION))
local ACCESS_SINCE = tonumber(bounds[3] or 0)

-- The session as far as an audit must know it; nil if it lacks what every session has.
local function parse(f)
  local session = { u = f[1], p = f[2] or 'default', e = f[9], k = f[12] }
  session.c, session.expiry, session.X = tonumber(f[3]), tonumber(f[4]), tonumber(f[5])
  session.E, session.r = tonumber(f[10]), tonumber(f[11])
  local whole = session.u and session.c and session.expiry and session.X
    and tonumber(f[6]) and tonumber(f[7]) and tonumber(f[8])
  if not whole or not profiles[session.p] then return nil end
  if (session.e == false) ~= (session.E == nil) then return nil end
  return session
end

-- The oldest makes room where a set would be over the cap, or a dead one if there is any.
local function make_room(profile, user)
  local leaving
  for _, member in ipairs(members_of(profile, user)) do
    if not leaving or (is_dead(member.session) and not is_dead(leaving.session)) then
      leaving = member
    end
  end
  if is_dead(leaving.session) then
    drop(leaving.id, profile, user, leaving.session)
  else
    finish(leaving.id, leaving.session, EVICTED_BY_CAP)
  end
end

local function check_live(drifts, id, session)
  local user, profile = session.u, session.p
  local live = live_key(profile, user)
  local score = redis.pcall('ZSCORE', live, id)
  if type(score) == 'table' then return drifts end
  score = tonumber(score)
  local right = session.c
  if session.k and session.r then right = math.max(right, session.r * 1000) end
  if not score then
    -- Whoever makes room is read before the first write too.
    members_of(profile, user)
    return add(drifts, 'LIVE_ENTRY_MISSING', id, user, function()
      recounted(user, function()
        redis.call('ZADD', live, int(right), id)
        count('live', 1)
        visit(user, session.expiry)
        if redis.call('ZCARD', live) > (caps[profile] or math.huge) then make_room(profile, user) end
      end)
    end)
  end
  local latest = right + (session.k and session.r and STEPPED_BACK_US or 0)
  if right <= score and score <= latest then return drifts end
  return add(drifts, 'LIVE_ENTRY_MISPLACED', id, user, function()
    redis.call('ZADD', live, int(right), id)
  end)
end

local function check_ended(drifts, id, session, forgotten_at)
  local user = session.u
  local dead_at = dead_time(session, session.E)
  local must_be_told = dead_at > now and session.E >= ACCESS_SINCE
  if must_be_told and not redis.call('ZSCORE', DEAD, id) then
    drifts = add(drifts, 'DEAD_ENTRY_MISSING', id, user, function()
      redis.call('ZADD', DEAD, int(dead_at), id)
    end)
  end
  if not redis.pcall('ZSCORE', history_key(user), id) then
    drifts = add(drifts, 'HISTORY_ENTRY_MISSING', id, user, function()
      keep_history(user, id, session.E)
      visit(user, forgotten_at)
    end)
  end
  return drifts
end

local function drifts_of(id)
  cost = cost + 1
  local key = session_key(id)
  local f = redis.pcall('HMGET', key, 'u', 'p', 'c', 'x', 'X', 'i', 'g', 'K', 'e', 'E', 'r', 'k')
  local runs_out = redis.call('PEXPIRETIME', key)
  if runs_out == -2 then return nil end
  local session = not f.err and parse(f) or nil
  if not session then return add(nil, 'SESSION_MALFORMED', id) end

  local right = session.e and session.E + RETENTION or session.expiry + REMEMBERED_MS
  local drifts
  if session.e and session.E + SHORTEST <= runs_out and runs_out <= session.E + LONGEST then
    right = runs_out
  end
  if runs_out ~= right then
    drifts = add(nil, runs_out == -1 and 'TTL_MISSING' or 'TTL_WRONG', id, session.u, function()
      redis.call('PEXPIREAT', key, int(right))
      if session.e then visit(session.u, right) end
    end)
  end
  if session.e then return check_ended(drifts, id, session, right) end
  if session.expiry > now then return check_live(drifts, id, session) end
  return drifts
end

return audit(ids, tonumber(ARGV[8]), ARGV[7] == 'repair', drifts_of)
