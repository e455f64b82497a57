-- Holds live sets and histories against the sessions that they name, these against what every session
-- must have, and the users' visits against both.
-- include: clock hash ending audit check
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] 'repair' to repair   ARGV[8] most entries to look at
--   ARGV[9] profile and user pairs; without a profile: the user's history
-- Returns {sets done, {kind of drift, session id, user or key, ...}, {session id, ...}}: at last those
-- that are where they belong.
-- An engine may let a hash run out while a script runs, or as little earlier as its clock is coarse.
local SOON = now + 1000
local members = {}

-- When the user needs a visit, by all sets.
local function next_visit(user)
  local first
  local function due(id, at)
    local f = redis.pcall('HMGET', session_key(id), 'u', 'x')
    at = at or tonumber(f[2])
    if f[1] == user and at and at >= 0 then first = math.min(first or at, at) end
  end
  for profile in pairs(orders) do
    for _, id in ipairs(redis.call('ZRANGE', live_key(profile, user), 0, -1)) do due(id) end
  end
  for _, id in ipairs(redis.call('ZRANGE', history_key(user), 0, -1)) do
    due(id, redis.call('PEXPIRETIME', session_key(id)))
  end
  return first or now
end

local function check_visit(drifts, user, visit_at, first)
  if visit_at and visit_at <= first + MOVED_MS then return drifts end
  local kind = visit_at and 'USER_ENTRY_LATE' or 'USER_ENTRY_MISSING'
  return add(drifts, kind, user, user, function() visit(user, next_visit(user)) end)
end

local function dangling_member(drifts, id, user, profile, is_gone)
  return add(drifts, 'LIVE_ENTRY_DANGLING', id, user, function()
    -- Who is not gone has been counted as ended, or lives elsewhere.
    recounted(user, function() drop(id, profile, user, not is_gone and { e = true } or nil) end)
  end)
end

local function dangling_past(drifts, id, user)
  return add(drifts, 'HISTORY_ENTRY_DANGLING', id, user, function() forget(id, user) end)
end

-- When the user needs a visit because of this entry; nil if anything may be wrong with it. This is run
-- for every session: it makes no more tables, and calls no more functions, than it must.
local function fine_until(id, score, user, profile)
  local f, runs_out = read(id)
  if f[1] ~= user or not has_all_fields(f) then return nil end
  if profile == '' then
    local ended = f[9] and tonumber(f[10])
    if not ended or not is_near(runs_out, ended + RETENTION) then return nil end
    local surely_dead = ended + longest_access() + LEEWAY <= now
    return (surely_dead or redis.call('ZSCORE', DEAD, id)) and runs_out or nil
  end
  if f[9] or f[10] or (f[8] or 'default') ~= profile then return nil end
  local expiry = tonumber(f[3])
  if not expiry or not is_near(runs_out, expiry + REMEMBERED_MS) then return nil end
  return is_placed(id, profile, f[2], score) and expiry or nil
end

-- The drifts so far, and when the user needs a visit because of this entry.
local function check_entry(drifts, id, score, user, profile, is_due)
  local past = profile == ''
  local owner, runs_out, created, expiry, kind, reason, ended = read_checked(id)
  if not owner and runs_out ~= -2 then
    return add(drifts, 'SESSION_MALFORMED', id)
  elseif not owner and is_due then
    -- What ran out stays in its set until the visit that is due.
    return drifts
  elseif past and (owner ~= user or not reason) then
    return dangling_past(drifts, id, user)
  elseif not past and (owner ~= user or reason or kind ~= profile) then
    return dangling_member(drifts, id, user, profile, not owner)
  end
  members[#members + 1] = id
  drifts = check_ttl(drifts, id, user, runs_out, expiry, ended)
  if past then
    return check_dead(drifts, id, user, expiry, ended), runs_out >= 0 and runs_out or nil
  end
  return check_score(drifts, id, user, profile, created, score), expiry
end

local function drifts_of(at)
  local profile, user = ARGV[at], ARGV[at + 1]
  local key = profile == '' and history_key(user) or live_key(profile, user)
  local entries = redis.pcall('ZRANGE', key, 0, -1, 'WITHSCORES')
  if entries.err or not (profile == '' or orders[profile]) then
    return add(nil, 'KEY_UNKNOWN', key)
  end
  if #entries == 0 then return nil end
  cost = cost + #entries / 2

  local drifts
  if redis.call('PEXPIRETIME', key) >= 0 then
    drifts = add(nil, 'TTL_UNEXPECTED', key, user, function() redis.call('PERSIST', key) end)
  end
  local visit_at = tonumber(redis.call('ZSCORE', USERS, user))
  local is_due, first = visit_at and visit_at <= SOON, math.huge
  for i = 1, #entries, 2 do
    local id, score = entries[i], entries[i + 1]
    local visit_by = fine_until(id, score, user, profile)
    if visit_by then
      members[#members + 1] = id
    else
      drifts, visit_by = check_entry(drifts, id, score, user, profile, is_due)
    end
    if visit_by and visit_by < first then first = visit_by end
  end
  return check_visit(drifts, user, visit_at, first)
end

local result = audit(9, 2, tonumber(ARGV[8]), ARGV[7] == 'repair', drifts_of)
result[3] = members
return result
