-- Ends and erases sessions of a user, those that live and those that are kept.
-- include: clock hash ending
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] user   ARGV[8] most sessions at a time
-- Returns {live sessions ended, others erased, left}.
local user, most = ARGV[7], tonumber(ARGV[8])

local doomed = {}
for _, profile in ipairs(all_profiles()) do
  for _, member in ipairs(members_of(profile, user)) do
    doomed[#doomed + 1] = { id = member.id, profile = profile, session = member.session }
  end
end
for _, id in ipairs(redis.call('ZRANGE', history_key(user), 0, -1)) do
  doomed[#doomed + 1] = { id = id }
end
local left = math.max(0, #doomed - most)
local before = census(user)
reach(user, 0)
for i = 1, #doomed - left do redis.call('EXISTS', session_key(doomed[i].id)) end
local oldest = redis.call('ZRANGE', RECENT, 0, 0, 'WITHSCORES')[2]
local is_full = redis.call('ZCARD', RECENT) >= RECENT_MOST

-- First write.
local ended, erased = 0, 0
for i = 1, #doomed - left do
  local id, profile, session = doomed[i].id, doomed[i].profile, doomed[i].session
  if profile and not is_dead(session) then
    erase(id, session, USER_DELETED)
    ended = ended + 1
  else
    if profile then
      drop(id, profile, user, session)
    else
      forget(id, user)
    end
    erased = erased + redis.call('DEL', session_key(id))
  end
  redis.call('ZREM', RECENT, id)
end
-- An entry of no session tells from where the list is complete, though it is no longer full.
if is_full then redis.call('ZADD', RECENT, oldest, '') end
write_histogram(before, census(user))
forget_user(user)
write_counts()
return { ended, erased, left }
