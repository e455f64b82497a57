-- Holds the TTLs of keys other than sessions: request records have one, the others none.
-- include:
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] 'repair' to repair   ARGV[2] TTL of a request record, ms
--   ARGV[3] keys, without the base
-- Returns {kind of drift, key, ...}.
local found, ailing = {}, {}
for i = 3, #ARGV do
  local key = base .. ARGV[i]
  local is_record = string.sub(ARGV[i], 1, 2) == 'i:'
  local runs_out = redis.call('PEXPIRETIME', key)
  if runs_out ~= -2 and is_record == (runs_out == -1) then
    found[#found + 1] = is_record and 'TTL_MISSING' or 'TTL_UNEXPECTED'
    found[#found + 1] = key
    ailing[#ailing + 1] = { key = key, is_record = is_record }
  end
end
if ARGV[1] ~= 'repair' then return found end

-- First write.
for _, one in ipairs(ailing) do
  if one.is_record then
    redis.call('PEXPIRE', one.key, ARGV[2])
  else
    redis.call('PERSIST', one.key)
  end
end
return found
