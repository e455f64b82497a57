-- Names those of some users whose live sets are not empty.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] users
-- Returns {user, ...}.
local profiles = redis.call('HKEYS', PROFILES)
local found = {}
for _, user in ipairs(ARGV) do
  for _, profile in ipairs(profiles) do
    if redis.call('EXISTS', live_key(profile, user)) == 1 then
      found[#found + 1] = user
      break
    end
  end
end
return found
