-- Reads events of a partition after a place in its log, if nothing between the two was lost.
-- include: log
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] id of the event that the place is at, '0-0' before the first
--   ARGV[2] how many events the log had ever had up to it   ARGV[3] most events to read, or 0
-- Returns {'OK', events that the log holds, {event, ...}}, {'TOO_OLD'} if events after the place were
-- trimmed, or {'REWOUND'} if the log never came as far, or came there another way.
local id, count, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local last, added, held = log_extent()
-- A log is trimmed at its beginning alone, so that what is gone are the first events.
local gone = added - held

if count > added then return { 'REWOUND' } end
if count == added then
  return id == last and { 'OK', held, {} } or { 'REWOUND' }
end
if count < gone then return { 'TOO_OLD' } end
-- The first event that is left comes after a place at the last that is gone; any other is at an event.
local first = count > gone and id or '-'
local there = #redis.call('XRANGE', LOG, first, id, 'COUNT', 1) == 1
if there ~= (count > gone) then return { 'REWOUND' } end
return { 'OK', held, most > 0 and redis.call('XRANGE', LOG, '(' .. id, '+', 'COUNT', most) or {} }
