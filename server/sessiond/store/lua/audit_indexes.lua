-- Holds live sets and histories against the sessions that they name, and against the users' visits.
-- include: clock hash ending audit
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] 'repair' to repair   ARGV[8] most entries to look at
--   ARGV[9] profile and user pairs; without a profile: the user's history
-- Returns {sets done, {kind of drift, session id, user or key, ...}}.
-- An engine may let a hash run out while a script runs, or as little earlier as its clock is coarse.
local SOON = now + 1000
local sets = {}
for i = 9, #ARGV, 2 do sets[#sets + 1] = { profile = ARGV[i], user = ARGV[i + 1] } end
local profiles = {}
for _, profile in ipairs(redis.call('HKEYS', PROFILES)) do profiles[profile] = true end

-- Whether a live set may hold the session, and when its user needs a visit.
local function check_member(id, user, profile)
  local f = redis.pcall('HMGET', session_key(id), 'u', 'p', 'x', 'e')
  if not f[1] and redis.call('EXISTS', session_key(id)) == 0 then return nil end
  local right = not f[4] and (f[1] or user) == user and (f[2] or 'default') == profile
  return right, tonumber(f[3])
end

-- The same for a history.
local function check_past(id, user)
  local forgotten_at = redis.call('PEXPIRETIME', session_key(id))
  if forgotten_at == -2 then return nil end
  local f = redis.pcall('HMGET', session_key(id), 'u', 'e', 'E')
  return (f[2] or f[3]) and (f[1] or user) == user, forgotten_at >= 0 and forgotten_at or nil
end

-- When the user needs a visit, by all sets.
local function next_visit(user)
  local first
  local function due(right, at)
    if right and at then first = math.min(first or at, at) end
  end
  for profile in pairs(profiles) do
    for _, id in ipairs(redis.call('ZRANGE', live_key(profile, user), 0, -1)) do
      due(check_member(id, user, profile))
    end
  end
  for _, id in ipairs(redis.call('ZRANGE', history_key(user), 0, -1)) do due(check_past(id, user)) end
  return first or now
end

local function drop_member(id, user, profile, gone)
  recounted(user, function() drop(id, profile, user, not gone and { e = true } or nil) end)
end

local function check_visit(drifts, user, visit_at, due)
  if visit_at and visit_at <= due then return drifts end
  local kind = visit_at and 'USER_ENTRY_LATE' or 'USER_ENTRY_MISSING'
  return add(drifts, kind, user, user, function() visit(user, next_visit(user)) end)
end

local function drifts_of(set)
  local user, profile, past = set.user, set.profile, set.profile == ''
  local key = past and history_key(user) or live_key(profile, user)
  local ids = redis.pcall('ZRANGE', key, 0, -1)
  if ids.err or not (past or profiles[profile]) then return add(nil, 'KEY_UNKNOWN', key) end
  if #ids == 0 then return nil end
  cost = cost + #ids

  local drifts
  if redis.call('PEXPIRETIME', key) >= 0 then
    drifts = add(nil, 'TTL_UNEXPECTED', key, user, function() redis.call('PERSIST', key) end)
  end
  local visit_at = tonumber(redis.call('ZSCORE', USERS, user))
  local is_due = visit_at and visit_at <= SOON
  local first = math.huge
  for _, id in ipairs(ids) do
    local right, at
    if past then
      right, at = check_past(id, user)
    else
      right, at = check_member(id, user, profile)
    end
    if right then
      first = math.min(first, at or first)
    elseif right ~= nil or not is_due then
      -- What ran out stays in its set until the visit that is due.
      local kind = past and 'HISTORY_ENTRY_DANGLING' or 'LIVE_ENTRY_DANGLING'
      drifts = add(drifts, kind, id, user, function()
        if past then
          forget(id, user)
        else
          drop_member(id, user, profile, right == nil)
        end
      end)
    end
  end
  return check_visit(drifts, user, visit_at, first)
end

return audit(sets, tonumber(ARGV[8]), ARGV[7] == 'repair', drifts_of)
