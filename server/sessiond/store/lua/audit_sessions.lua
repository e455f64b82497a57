-- Holds sessions that were seen in no index against the one that must have them, and their TTLs.
-- include: clock hash ending audit check
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] 'repair' to repair          ARGV[8] most sessions to look at
--   ARGV[9] how many profile and cap pairs follow, then those, then session ids
-- Returns {sessions done, {kind of drift, session id, ...}}.
local caps = {}
local pairs_end = 9 + 2 * tonumber(ARGV[9])
for i = 10, pairs_end, 2 do caps[ARGV[i]] = tonumber(ARGV[i + 1]) end

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

local function put_back(id, user, profile, score, expiry)
  local live = live_key(profile, user)
  recounted(user, function()
    redis.call('ZADD', live, int(score), id)
    count('live', 1)
    visit(user, expiry)
    if redis.call('ZCARD', live) > (caps[profile] or math.huge) then make_room(profile, user) end
  end)
end

local function check_live(drifts, id, user, profile, created, expiry)
  local score = redis.pcall('ZSCORE', live_key(profile, user), id)
  if type(score) == 'table' then return drifts end
  if score then return check_score(drifts, id, user, profile, created, score) end
  -- Whoever may make room is read before the first write too.
  members_of(profile, user)
  local right = right_scores(id, profile, tonumber(created))
  return add(drifts, 'LIVE_ENTRY_MISSING', id, user, function()
    put_back(id, user, profile, right, expiry)
  end)
end

local function check_ended(drifts, id, user, ended)
  if redis.pcall('ZSCORE', history_key(user), id) then return drifts end
  return add(drifts, 'HISTORY_ENTRY_MISSING', id, user, function()
    keep_history(user, id, ended)
    visit(user, ended + SHORTEST)
  end)
end

local function drifts_of(at)
  local id = ARGV[at]
  cost = cost + 1
  local user, runs_out, created, expiry, profile, reason, ended = read_checked(id)
  if not user then return runs_out ~= -2 and add(nil, 'SESSION_MALFORMED', id) or nil end
  local drifts = check_ttl(nil, id, user, runs_out, expiry, ended)
  if reason then
    return check_ended(check_dead(drifts, id, user, expiry, ended), id, user, ended)
  end
  if expiry > now then return check_live(drifts, id, user, profile, created, expiry) end
  return drifts
end

return audit(pairs_end + 1, 1, tonumber(ARGV[8]), ARGV[7] == 'repair', drifts_of)
