-- Pins what every server of a store must agree on; the first one to start writes it.
-- include: clock
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] schema version   ARGV[2] number of partitions   ARGV[3] longest access lifetime, ms
--   ARGV[4] retention of ended sessions, ms
--   ARGV[5] 'all' if a profile that this server lacks is a difference, else 'own'
--   ARGV[6] profile and score kind pairs
-- Returns {} if this server agrees, else {what, stored, ours}.
local ours = { 'schema', ARGV[1], 'partitions', ARGV[2] }
for i = 1, #ours, 2 do
  local stored = redis.call('HGET', META, ours[i])
  if stored and stored ~= ours[i + 1] then return { ours[i], stored, ours[i + 1] } end
end
local known = {}
for i = 6, #ARGV, 2 do
  known[ARGV[i]] = true
  local stored = redis.call('HGET', PROFILES, ARGV[i])
  if stored and stored ~= ARGV[i + 1] then return { 'profile ' .. ARGV[i], stored, ARGV[i + 1] } end
end
for _, profile in ipairs(redis.call('HKEYS', PROFILES)) do
  if not known[profile] and ARGV[5] == 'all' then
    return { 'profile ' .. profile, 'configured', 'missing' }
  end
end

-- First write.
redis.call('HSET', META, unpack(ours))
-- Tokens minted under a longer lifetime than today's may still be about.
local longest = tonumber(redis.call('HGET', META, 'access') or 0)
if tonumber(ARGV[3]) > longest then
  redis.call('HSET', META, 'access', ARGV[3], 'access_since', int(now))
end
-- What ended under another retention is kept for that one.
local retention = tonumber(ARGV[4])
for bound, pick in pairs({ retention_min = math.min, retention_max = math.max }) do
  local stored = tonumber(redis.call('HGET', META, bound) or retention)
  redis.call('HSET', META, bound, int(pick(stored, retention)))
end
for i = 6, #ARGV, 2 do redis.call('HSET', PROFILES, ARGV[i], ARGV[i + 1]) end
return {}
