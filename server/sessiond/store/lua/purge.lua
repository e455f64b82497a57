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
local profiles = redis.call('HKEYS', PROFILES)
local FORGET, DROP, ERASE = 'ended', 'expired', 'live'

local doomed, seen = {}, 0
local function doom(how, id, user, profile, session)
  doomed[#doomed + 1] = { how = how, id = id, user = user, profile = profile, session = session }
end

local function last_refresh(id)
  local times = redis.call('HMGET', session_key(id), 'r', 'c')
  return tonumber(times[1]) or math.floor((tonumber(times[2]) or math.huge) / 1000)
end

local function look_at_live(user, profile)
  for _, member in ipairs(members_of(profile, user)) do
    local id, session = member.id, member.session
    seen = seen + 1
    if session and not session.e then
      if session.expiry <= now then
        if session.expiry < cutoff then doom(DROP, id, user, profile, session) end
      elseif with_live and last_refresh(id) < cutoff then
        doom(ERASE, id, user, profile, session)
      end
    end
  end
end

local function look_at_history(user)
  for _, id in ipairs(redis.call('ZRANGE', history_key(user), 0, -1)) do
    seen = seen + 1
    local ended = tonumber(redis.call('HGET', session_key(id), 'E'))
    if ended and ended < cutoff then doom(FORGET, id, user) end
  end
end

local finished = 0
for i = 12, #ARGV do
  for _, profile in ipairs(profiles) do look_at_live(ARGV[i], profile) end
  look_at_history(ARGV[i])
  finished = finished + 1
  if seen >= most then break end
end
if execute and #doomed > most then
  finished = finished - 1
  for i = #doomed, most + 1, -1 do doomed[i] = nil end
end

local numbers, samples = { [FORGET] = 0, [DROP] = 0, [ERASE] = 0 }, {}
for i, one in ipairs(doomed) do
  numbers[one.how] = numbers[one.how] + 1
  if i <= most_samples then
    samples[#samples + 1] = one.id
    samples[#samples + 1] = redis.call('HGETALL', session_key(one.id))
  end
end
local result = { now, finished, numbers[FORGET], numbers[DROP], numbers[ERASE], samples }
if not execute then return result end

local before = {}
for _, one in ipairs(doomed) do
  if not before[one.user] then
    before[one.user] = census(one.user)
    reach(one.user, 0)
  end
end

-- First write.
for _, one in ipairs(doomed) do
  if one.how == ERASE then
    erase(one.id, one.session, REVOKED_BY_ADMIN)
  else
    if one.how == DROP then
      drop(one.id, one.profile, one.user, one.session)
    else
      forget(one.id, one.user)
    end
    redis.call('DEL', session_key(one.id))
  end
end
for user, members in pairs(before) do
  write_histogram(members, census(user))
  forget_user(user)
end
write_counts()
return result
