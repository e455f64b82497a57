-- Names those of some users whose live sets or histories hold sessions that are gone.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] most entries to look at before the next user   ARGV[2] users
-- Returns {how many of the users were looked at, {user, ...}}.
local profiles = redis.call('HKEYS', PROFILES)
local most, seen = tonumber(ARGV[1]), 0

local function is_dangling(set)
  local keys = redis.call('ZRANGE', set, 0, -1)
  seen = seen + #keys
  for i, id in ipairs(keys) do keys[i] = session_key(id) end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) < #keys
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
