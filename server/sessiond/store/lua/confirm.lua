-- Writes a mark behind what was written before, if the sessions named have ended here.
-- include: clock hash
-- flags: allow-oom
--   KEYS[1]   partition base
--   ARGV[1-]  session ids
-- Returns 1, or 0 if one of them is live or none is known: their ending was written elsewhere, before
-- a failover.
local known = false
for _, id in ipairs(ARGV) do
  local session = read_session(id)
  if session and state_of(session) == 'ACTIVE' then return 0 end
  known = known or session ~= nil
end
if not known then return 0 end
redis.call('EXISTS', MARK)

-- First write.
redis.call('SET', MARK, int(now), 'PX', 10000)
return 1
