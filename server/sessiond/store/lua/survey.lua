-- Counts the live sessions of some users by age and by time to expiry.
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

local profiles = redis.call('HKEYS', PROFILES)
local seen, done = 0, 0
for i = 4, #ARGV do
  if seen >= most then break end
  for _, profile in ipairs(profiles) do
    for _, id in ipairs(redis.call('ZRANGE', live_key(profile, ARGV[i]), 0, -1)) do
      local f = redis.call('HMGET', session_key(id), 'c', 'x', 'e')
      local left = (tonumber(f[2]) or 0) - now
      if left > 0 and not f[3] then
        add(age_edges, ages, now - math.floor(tonumber(f[1]) / 1000))
        add(expiry_edges, expiries, left)
      end
      seen = seen + 1
    end
  end
  done = done + 1
end
return { now, done, ages, expiries }
