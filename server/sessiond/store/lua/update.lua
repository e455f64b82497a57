-- Changes a live session's attributes. An attribute is a field of the hash: '.' and its key.
-- A retry of the last update is answered like its first try.
-- include: clock hash
--   KEYS[1] partition base
--   ARGV[1] session id         ARGV[2] etag, or ''       ARGV[3] mark of the request, or ''
--   ARGV[4] 'all' to replace every attribute
--   ARGV[5] most bytes over keys and values              ARGV[6] most attributes
--   ARGV[7] how many fields to remove, then those fields, then field and value pairs to set
-- Returns {'UPDATED', now, hash}, {'ETAG_MISMATCH', version}, {'TOO_LARGE', bytes, attributes},
-- {'ENDED' or 'EXPIRED', now, hash} or {'NOT_FOUND'}.
local id, mark, removals = ARGV[1], ARGV[3], tonumber(ARGV[7])
local session, flat = read_session(id)
if not session then return { 'NOT_FOUND' } end
local state = state_of(session)
if state ~= 'ACTIVE' then return { state, now, flat } end

local wanted = {}
if ARGV[4] ~= 'all' then
  for field, value in pairs(session) do
    if string.byte(field) == 46 then wanted[field] = value end
  end
end
for i = 8, 7 + removals do wanted[ARGV[i]] = nil end
for i = 8 + removals, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] end
local removed, set = {}, {}
for field in pairs(session) do
  if string.byte(field) == 46 and not wanted[field] then removed[#removed + 1] = field end
end
for field, value in pairs(wanted) do
  if session[field] ~= value then set[#set + 1] = field end
end

local version = session.v or '0'
if ARGV[2] ~= '' and ARGV[2] ~= version then
  -- By its mark alone it might be another request of one that has a single id for several.
  local ours = mark ~= '' and session.w == mark and #removed + #set == 0
  if ours and ARGV[2] == string.format('%d', version - 1) then return { 'UPDATED', now, flat } end
  return { 'ETAG_MISMATCH', version }
end

local bytes, attributes = 0, 0
for field, value in pairs(wanted) do
  bytes = bytes + #field - 1 + #value
  attributes = attributes + 1
end
if bytes > tonumber(ARGV[5]) or attributes > tonumber(ARGV[6]) then
  return { 'TOO_LARGE', bytes, attributes }
end

-- First write.
for _, field in ipairs(removed) do redis.call('HDEL', session_key(id), field) end
for _, field in ipairs(set) do redis.call('HSET', session_key(id), field, wanted[field]) end
redis.call('HINCRBY', session_key(id), 'v', 1)
if ARGV[2] ~= '' and mark ~= '' then
  redis.call('HSET', session_key(id), 'w', mark)
elseif session.w then
  redis.call('HDEL', session_key(id), 'w')
end
return { 'UPDATED', now, redis.call('HGETALL', session_key(id)) }
