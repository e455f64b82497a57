-- Counts or removes the sessions of some users that ended or expired before a time and, if asked for,
-- the live ones last refreshed before it.
-- include: clock hash ending
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] that time, ms       ARGV[8] 'live' for live ones too   ARGV[9] 'execute' to remove them
--   ARGV[10] most sessions      ARGV[11] most samples              ARGV[12] users
-- Returns {now, users finished, ended, expired, live, {id, hash, ...} of the first}. It stops early
-- where that is more work than asked for, and in the middle of a user only if it removed some.
local cutoff, with_live, execute = tonumber(ARGV[7]), ARGV[8] == 'live', ARGV[9] == 'execute'
local most, most_samples = tonumber(ARGV[10]), tonumber(ARGV[11])
-- By how much scores of a history are later than the ends: sessions that ended together follow one
-- another, and so do those after the clock stepped back.
local LATER_MS = 60000

-- What goes, by user, while sessions are removed. Tables cost the engine more than what is read, so there
-- is one only where something goes.
local plans = {}
local user, plan, live, seen, doomed, is_cut = '', nil, 0, 0, 0, false
local ended, expired, active = 0, 0, 0
local samples = {}

-- Whether there is room for one more in this step. A count is never cut short: it could not go on.
local function doom(id)
  if execute and doomed == most then
    is_cut = true
    return false
  end
  doomed = doomed + 1
  if doomed <= most_samples then
    samples[#samples + 1] = id
    samples[#samples + 1] = redis.call('HGETALL', session_key(id))
  end
  if execute and not plan then
    plan = { user = user, members = {}, past = {} }
    plans[#plans + 1] = plan
  end
  return true
end

local function look_at_member(id, profile)
  local f = redis.call('HMGET', session_key(id), 'x', 'X', 'e', 'r', 'c')
  local expiry = tonumber(f[1])
  if not expiry or f[3] then return end
  local is_live = expiry > now
  local age_from = expiry
  if is_live then
    if not with_live then return end
    age_from = tonumber(f[4]) or math.floor((tonumber(f[5]) or math.huge) / 1000)
  end
  if age_from >= cutoff or not doom(id) then return end
  if is_live then active = active + 1 else expired = expired + 1 end
  if not execute then return end
  local session = { u = user, p = profile, x = f[1], X = f[2], e = false, expiry = expiry }
  plan.members[#plan.members + 1] = { id = id, session = session, is_live = is_live }
end

local function look_at_live(profile)
  local ids = redis.call('ZRANGE', live_key(profile, user), 0, -1)
  live = live + #ids
  for _, id in ipairs(ids) do look_at_member(id, profile) end
end

-- A history's score is no earlier than the end, and hardly later: its hash is read if that may matter.
local function look_at_past(id, score, is_due)
  local at = score
  if is_due or (score >= cutoff and score < cutoff + LATER_MS) then
    at = tonumber(redis.call('HGET', session_key(id), 'E'))
  end
  if not at or at >= cutoff or not doom(id) then return end
  ended = ended + 1
  if execute then plan.past[#plan.past + 1] = id end
end

local function look_at()
  live, plan = 0, nil
  -- Before the visit that is due, nothing has expired and every hash is there.
  local visit_at = tonumber(redis.call('ZSCORE', USERS, user))
  local is_due = not visit_at or visit_at <= now + 1000
  if is_due or with_live then
    for _, profile in ipairs(all_profiles()) do look_at_live(profile) end
  end
  local past = redis.call('ZRANGE', history_key(user), 0, -1, 'WITHSCORES')
  for i = 1, #past, 2 do look_at_past(past[i], tonumber(past[i + 1]), is_due) end
  seen = seen + live + #past / 2
  if plan then
    plan.live, plan.kept = live, #past / 2
  end
end

local finished = 0
for i = 12, #ARGV do
  user = ARGV[i]
  look_at()
  if is_cut then break end
  finished = finished + 1
  if seen >= most then break end
end
local result = { now, finished, ended, expired, active, samples }
if not execute then return result end
redis.call('EXISTS', USERS, COUNTS, DEAD, LOG)
for _, going in ipairs(plans) do
  census(going.user)
  for _, id in ipairs(going.past) do redis.call('EXISTS', session_key(id)) end
end

-- First write.
local keys, leaving = {}, {}
for _, going in ipairs(plans) do
  local owner, members, past = going.user, going.members, going.past
  for _, member in ipairs(members) do
    if member.is_live then
      erase(member.id, member.session, REVOKED_BY_ADMIN)
    else
      drop(member.id, member.session.p, owner, member.session)
      keys[#keys + 1] = session_key(member.id)
    end
  end
  write_histogram(going.live, going.live - #members)
  for _, id in ipairs(past) do keys[#keys + 1] = session_key(id) end
  count('ended', -#past)
  if #past == going.kept then
    keys[#keys + 1] = history_key(owner)
    if census(owner) == 0 then leaving[#leaving + 1] = owner end
  elseif #past > 0 then
    redis.call('ZREM', history_key(owner), unpack(past))
  end
end
if #keys > 0 then redis.call('DEL', unpack(keys)) end
if #leaving > 0 then redis.call('ZREM', USERS, unpack(leaving)) end
write_counts()
return result
