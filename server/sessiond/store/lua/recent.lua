-- Names the newest sessions of a partition that are still kept, newest first.
-- include: clock order
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] how many at most
--   ARGV[2] score of the session after which they begin, or 2^53   ARGV[3] that session, or ''
-- Returns {the score below which sessions are missing, {id, score, ...}}.
local most, after_score, after_id = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local complete_from = redis.call('ZSCORE', RECENT, '') or 0
if redis.call('ZCARD', RECENT) >= RECENT_MOST then
  complete_from = redis.call('ZRANGE', RECENT, 0, 0, 'WITHSCORES')[2]
end
local newest = {}
local entries = redis.call('ZRANGE', RECENT, ARGV[2], '-inf', 'BYSCORE', 'REV', 'WITHSCORES')
for i = 1, #entries, 2 do
  if #newest == 2 * most then break end
  local id, score = entries[i], tonumber(entries[i + 1])
  local after = score < after_score or precedes(id, after_id)
  if after and redis.call('EXISTS', session_key(id)) == 1 then
    newest[#newest + 1] = id
    newest[#newest + 1] = int(score)
  end
end
return { int(tonumber(complete_from)), newest }
