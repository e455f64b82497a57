-- Searches some events of a partition, newest first, for the latest of a session.
-- include:
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] session id   ARGV[2] event id to begin at, '+' for the newest   ARGV[3] most events to read
-- Returns {'FOUND', event}, {'MORE', the event id to go on after} or {'NONE'}.
local events = redis.call('XREVRANGE', LOG, ARGV[2], '-', 'COUNT', ARGV[3])
for _, event in ipairs(events) do
  if event[2][4] == ARGV[1] then return { 'FOUND', event } end
end
if #events < tonumber(ARGV[3]) then return { 'NONE' } end
return { 'MORE', events[#events][1] }
