-- Names those of some users whose live sets or histories hold sessions that are gone.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] users
-- Returns {user, ...}.
local profiles = redis.call('HKEYS', PROFILES)

-- Longer sets are asked for in parts: Lua's stack bounds how many arguments a call takes.
local PART = 1000

local function is_dangling(set)
  local ids = redis.call('ZRANGE', set, 0, -1)
  for first = 1, #ids, PART do
    local keys = {}
    for i = first, math.min(#ids, first + PART - 1) do keys[#keys + 1] = session_key(ids[i]) end
    if redis.call('EXISTS', unpack(keys)) < #keys then return true end
  end
  return false
end

local function has_dangling(user)
  for _, profile in ipairs(profiles) do
    if is_dangling(live_key(profile, user)) then return true end
  end
  return is_dangling(history_key(user))
end

local found = {}
for _, user in ipairs(ARGV) do
  if has_dangling(user) then found[#found + 1] = user end
end
return found
