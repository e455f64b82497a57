-- What refresh and extend share: the later expiry, the client's details, the order by last refresh.

-- The later of the expiry and now + idle lifetime, never past the absolute expiry.
local function extended_expiry(session)
  return math.max(session.expiry, math.min(now + tonumber(session.i), tonumber(session.X)))
end

-- Adds to `writes` the client details that the call brought: field and value pairs in ARGV from
-- `first`, after a string of the fields that were cut. Details it did not bring stay.
local function take_client(session, writes, cut, first)
  local marks = session.t or ''
  for i = first, #ARGV, 2 do
    writes[#writes + 1] = ARGV[i]
    writes[#writes + 1] = ARGV[i + 1]
    marks = string.gsub(marks, ARGV[i], '')
  end
  marks = marks .. cut
  if marks ~= (session.t or '') then
    writes[#writes + 1] = 't'
    writes[#writes + 1] = marks
  end
end

-- For a profile that evicts the idlest: the user's set is ordered by last refresh.
local function refreshed_score(session)
  if not session.k then return nil end
  local live = live_key(session.p or 'default', session.u)
  local last = redis.call('ZRANGE', live, -1, -1, 'WITHSCORES')
  return live, math.max(now_us, (tonumber(last[2]) or 0) + 1)
end
