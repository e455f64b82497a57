-- Names those of some users whose live sets or histories hold sessions that are gone.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] most entries to look at before the next user   ARGV[2] users
-- Returns {how many of the users were looked at, {user, ...}}.
local profiles = redis.call('HKEYS', PROFILES)

-- Longer sets are asked for in parts: Lua's stack bounds how many arguments a call takes.
local PART = 1000
local most, seen = tonumber(ARGV[1]), 0

local function is_dangling(set)
  local ids = redis.call('ZRANGE', set, 0, -1)
  seen = seen + #ids
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

local done, found = 0, {}
for i = 2, #ARGV do
  if seen >= most then break end
  if has_dangling(ARGV[i]) then found[#found + 1] = ARGV[i] end
  done = done + 1
end
return { done, found }
