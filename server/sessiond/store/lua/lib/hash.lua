-- A session's hash by field name, and the flat reply beside it; nil if there is none.
local function read_session(id)
  local flat = redis.call('HGETALL', session_key(id))
  if #flat == 0 then return nil end
  local session = {}
  for i = 1, #flat, 2 do session[flat[i]] = flat[i + 1] end
  session.expiry = tonumber(session.x)
  return session, flat
end

-- 'ACTIVE', 'ENDED' or 'EXPIRED', as of now.
local function state_of(session)
  if session.e then return 'ENDED' end
  if session.expiry <= now then return 'EXPIRED' end
  return 'ACTIVE'
end
