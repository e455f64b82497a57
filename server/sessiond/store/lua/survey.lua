-- Counts the live sessions of some users by age and by time to expiry, from their scores and TTLs: a
-- hash is read only where the score is no creation time.
-- include: clock
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] most sessions to look at before the next user
--   ARGV[2] where the bars of ages end, ms, such as '1000 2000'
--   ARGV[3] the same of times to expiry   ARGV[4] users
-- Returns {now, how many of the users were looked at, {sessions, ...} of each bar of ages, the same
-- of times to expiry}.
local most = tonumber(ARGV[1])

local function bars(edges)
  local uppers, counts = {}, {}
  for edge in string.gmatch(edges, '%d+') do uppers[#uppers + 1] = tonumber(edge) end
  for i = 1, #uppers + 1 do counts[i] = 0 end
  return uppers, counts
end

local age_edges, ages = bars(ARGV[2])
local expiry_edges, expiries = bars(ARGV[3])

local function add(edges, counts, duration)
  local bar = 1
  while edges[bar] and duration >= edges[bar] do bar = bar + 1 end
  counts[bar] = counts[bar] + 1
end

local profiles = redis.call('HGETALL', PROFILES)
local seen, done = 0, 0
for i = 4, #ARGV do
  if seen >= most then break end
  for p = 1, #profiles, 2 do
    local by_refresh = profiles[p + 1] == 'refreshed'
    local members = redis.call('ZRANGE', live_key(profiles[p], ARGV[i]), 0, -1, 'WITHSCORES')
    for m = 1, #members, 2 do
      local key = session_key(members[m])
      local left = redis.call('PEXPIRETIME', key) - REMEMBERED_MS - now
      if left > 0 then
        local created_us = by_refresh and redis.call('HGET', key, 'c') or members[m + 1]
        add(age_edges, ages, now - math.floor(created_us / 1000))
        add(expiry_edges, expiries, left)
      end
    end
    seen = seen + #members / 2
  end
  done = done + 1
end
return { now, done, ages, expiries }
