-- Changes a live session's attributes. An attribute is a field of the hash: '.' and its key.
-- The etag before the present one also passes if nothing is left to change: it is a retry.
-- include: clock hash
--   KEYS[1] partition base
--   ARGV[1] session id         ARGV[2] etag, or ''       ARGV[3] 'all' to replace every attribute
--   ARGV[4] most bytes over keys and values              ARGV[5] most attributes
--   ARGV[6] how many fields to remove, then those fields, then field and value pairs to set
-- Returns {'UPDATED', now, hash}, {'ETAG_MISMATCH', version}, {'TOO_LARGE', bytes, attributes},
-- {'ENDED' or 'EXPIRED', now, hash} or {'NOT_FOUND'}.
local id, removals = ARGV[1], tonumber(ARGV[6])
local session, flat = read_session(id)
if not session then return { 'NOT_FOUND' } end
local state = state_of(session)
if state ~= 'ACTIVE' then return { state, now, flat } end

local wanted = {}
if ARGV[3] ~= 'all' then
  for field, value in pairs(session) do
    if string.byte(field) == 46 then wanted[field] = value end
  end
end
for i = 7, 6 + removals do wanted[ARGV[i]] = nil end
for i = 7 + removals, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] end
local removed, set = {}, {}
for field in pairs(session) do
  if string.byte(field) == 46 and not wanted[field] then removed[#removed + 1] = field end
end
for field, value in pairs(wanted) do
  if session[field] ~= value then set[#set + 1] = field end
end

local version = session.v or '0'
if ARGV[2] ~= '' and ARGV[2] ~= version then
  local before = version ~= '0' and string.format('%d', version - 1)
  if ARGV[2] == before and #removed + #set == 0 then return { 'UPDATED', now, flat } end
  return { 'ETAG_MISMATCH', version }
end

local bytes, attributes = 0, 0
for field, value in pairs(wanted) do
  bytes = bytes + #field - 1 + #value
  attributes = attributes + 1
end
if bytes > tonumber(ARGV[4]) or attributes > tonumber(ARGV[5]) then
  return { 'TOO_LARGE', bytes, attributes }
end

-- First write.
for _, field in ipairs(removed) do redis.call('HDEL', session_key(id), field) end
for _, field in ipairs(set) do redis.call('HSET', session_key(id), field, wanted[field]) end
redis.call('HINCRBY', session_key(id), 'v', 1)
return { 'UPDATED', now, redis.call('HGETALL', session_key(id)) }
