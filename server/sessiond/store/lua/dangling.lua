-- Names those of some users whose live sets or histories hold sessions that are gone.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] users
-- Returns {user, ...}.
local profiles = redis.call('HKEYS', PROFILES)

local function is_dangling(set)
  local keys = redis.call('ZRANGE', set, 0, -1)
  for i, id in ipairs(keys) do keys[i] = session_key(id) end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) < #keys
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
