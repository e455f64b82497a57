-- Counts the live and the ended sessions of a partition, and its users by number of live ones, and
-- compares the counters.
-- include:
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] 'repair' to repair   ARGV[2] users who are missing from the index of users
-- Returns {counter, stored, counted, ...} of those that differ.
local profiles = redis.call('HKEYS', PROFILES)
local stored, counted = {}, { live = 0, ended = 0 }
local flat = redis.call('HGETALL', COUNTS)
local endings = 0
for i = 1, #flat, 2 do
  local name, number = flat[i], tonumber(flat[i + 1]) or 0
  stored[name] = number
  if string.sub(name, 1, 2) == 'w:' then counted[name] = 0 end
  if string.sub(name, 1, 2) == 'e:' then endings = endings + number end
end

-- A key of another type holds nothing that counts.
local function size(set)
  local members = redis.pcall('ZCARD', set)
  return type(members) == 'number' and members or 0
end

local function take(user)
  local live = 0
  for _, profile in ipairs(profiles) do live = live + size(live_key(profile, user)) end
  counted.live = counted.live + live
  counted.ended = counted.ended + size(history_key(user))
  if live > 0 then counted['w:' .. live] = (counted['w:' .. live] or 0) + 1 end
end

for _, user in ipairs(redis.call('ZRANGE', USERS, 0, -1)) do take(user) end
for i = 2, #ARGV do
  if not redis.call('ZSCORE', USERS, ARGV[i]) then take(ARGV[i]) end
end
-- Whoever was created lives or has ended. Where `live` alone disagrees, its entries are at fault, and
-- are mended before this; what is left after that is mended here.
counted.created = counted.live + endings
local agrees = (stored.created or 0) == (stored.live or 0) + endings
if agrees and ARGV[1] ~= 'repair' then counted.created = stored.created end

local found = {}
for name, number in pairs(counted) do
  if (stored[name] or 0) ~= number then
    for _, word in ipairs({ name, stored[name] or 0, number }) do found[#found + 1] = word end
  end
end
if ARGV[1] ~= 'repair' then return found end

-- First write.
for i = 1, #found, 3 do
  if found[i + 2] == 0 and string.sub(found[i], 1, 2) == 'w:' then
    redis.call('HDEL', COUNTS, found[i])
  else
    redis.call('HSET', COUNTS, found[i], found[i + 2])
  end
end
return found
