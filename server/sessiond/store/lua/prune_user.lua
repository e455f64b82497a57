-- Visits a user: dead members leave the live sets and the history, are counted and logged, and the
-- next visit is set. The reaper's step.
-- include: clock hash ending
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] user
-- Returns {members dropped, history entries dropped, next visit in ms or 0}.
local user = ARGV[7]
local history = history_key(user)

local expired, next_visit = {}, nil
local function due(at) next_visit = math.min(next_visit or at, at) end

for _, profile in ipairs(all_profiles()) do
  for _, member in ipairs(members_of(profile, user)) do
    if is_dead(member.session) then
      expired[#expired + 1] = { id = member.id, profile = profile, session = member.session }
    else
      due(member.session.expiry)
    end
  end
end
local forgotten = {}
for _, id in ipairs(redis.call('ZRANGE', history, 0, -1)) do
  local end_of_retention = redis.call('PEXPIRETIME', session_key(id))
  if end_of_retention == -2 then
    forgotten[#forgotten + 1] = id
  elseif end_of_retention >= 0 then
    due(end_of_retention)
  end
end
local before = census(user)
reach(user, 0)

-- First write.
for _, member in ipairs(expired) do drop(member.id, member.profile, user, member.session) end
for _, id in ipairs(forgotten) do forget(id, user) end
if next_visit then
  redis.call('ZADD', USERS, int(next_visit), user)
else
  redis.call('ZREM', USERS, user)
end
write_counts()
write_histogram(before, census(user))
return { #expired, #forgotten, next_visit or 0 }
