-- Takes over a session of another system, as it was there. What is here already stays as it is.
-- include: clock hash ending creation order
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7]  user             ARGV[8]  session id        ARGV[9]  profile
--   ARGV[10] evict_oldest, evict_idle or reject          ARGV[11] cap
--   ARGV[12] idle, ms         ARGV[13] absolute, ms      ARGV[14] MAC key id
--   ARGV[15] creation, us     ARGV[16] expiry, ms        ARGV[17] device id, or ''
--   ARGV[18] how far the creation may be ahead of the clock, ms
--   ARGV[19] 'try' to change nothing, else ''
--   ARGV[20] field and value pairs of the new hash
-- Returns {'IMPORTED', ids of those that make room}, {'EXISTS'}, {'EXPIRED'}, {'FUTURE'},
-- {'SUPERSEDED'} or {'UNREGISTERED'}.
local user, id, profile, at_cap = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local cap, created, device = tonumber(ARGV[11]), tonumber(ARGV[15]), ARGV[17]
local absolute_ms = tonumber(ARGV[13])

-- Once erased, `dead` still knows a session that had ended.
if redis.call('EXISTS', session_key(id)) == 1 or redis.call('ZSCORE', DEAD, id) then
  return { 'EXISTS' }
end
local expiry = math.min(tonumber(ARGV[16]), now + absolute_ms)
if expiry <= now then return { 'EXPIRED' } end
if created > now_us + ARGV[18] * 1000 then return { 'FUTURE' } end
if redis.call('HEXISTS', PROFILES, profile) == 0 then return { 'UNREGISTERED' } end

local live = live_key(profile, user)
local expired, replaced, staying = {}, {}, {}
for _, other in ipairs(device ~= '' and all_profiles() or { profile }) do
  for _, member in ipairs(members_of(other, user)) do
    if is_dead(member.session) then
      if other == profile then expired[#expired + 1] = member end
    elseif device ~= '' and member.session.d == device then
      replaced[#replaced + 1] = member
    elseif other == profile then
      staying[#staying + 1] = member
    end
  end
end

-- Whether a session of this score sorts before the one that comes in.
local function is_older(score, other)
  if tonumber(score) ~= created then return tonumber(score) < created end
  return precedes(other, id)
end

for _, member in ipairs(replaced) do
  local at = redis.call('HGET', session_key(member.id), 'c')
  if not is_older(at, member.id) then return { 'SUPERSEDED' } end
end
local excess = math.max(0, #staying - cap + 1)
if excess > 0 then
  -- There is room for it only if all that would make room are older.
  local last = staying[excess].id
  local older = is_older(redis.call('ZSCORE', live, last), last)
  if at_cap == 'reject' or not older then return { 'SUPERSEDED' } end
end
local making_room = {}
for _, member in ipairs(replaced) do making_room[#making_room + 1] = member.id end
for i = 1, excess do making_room[#making_room + 1] = staying[i].id end
if ARGV[19] == 'try' then return { 'IMPORTED', making_room } end
local before = census(user)
reach(user, #making_room)

-- First write.
for _, member in ipairs(expired) do drop(member.id, profile, user, member.session) end
for _, member in ipairs(replaced) do finish(member.id, member.session, REPLACED) end
for i = 1, excess do finish(staying[i].id, staying[i].session, EVICTED_BY_CAP) end

local absolute = math.max(math.floor(created / 1000) + absolute_ms, expiry)
begin_session(created, expiry, absolute, { 'y', '1' })
count('imported', 1)
write_counts()
write_histogram(before, census(user))
return { 'IMPORTED', making_room }
