-- Reads all sessions of some users: those not ended, then the ended ones.
-- include: clock hash
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] most sessions to look at before the next user
--   ARGV[2] states wanted, such as 'ACTIVE ENDED'   ARGV[3] users
-- Returns {now, how many of the users were looked at, {id, hash, ...}}.
local most, states = tonumber(ARGV[1]), ARGV[2]
local profiles = redis.call('HKEYS', PROFILES)
local seen, done, found = 0, 0, {}

local function take(set)
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1, 'REV')) do
    local session, flat = read_session(id)
    if session and string.find(states, state_of(session), 1, true) then
      found[#found + 1] = id
      found[#found + 1] = flat
    end
    seen = seen + 1
  end
end

for i = 3, #ARGV do
  if seen >= most then break end
  for _, profile in ipairs(profiles) do take(live_key(profile, ARGV[i])) end
  take(history_key(ARGV[i]))
  done = done + 1
end
return { now, done, found }
