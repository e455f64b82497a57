-- Idempotency records (AIP-155): "DIGEST id id ..." under the hash of caller, method, user and
-- request id. An empty request id is never recorded and never matches.

-- nil if this request was not seen; false if it was another one; else the ids that it resulted in.
local function recall(request, digest)
  if request == '' then return nil end
  local record = redis.call('GET', request_key(request))
  if not record then return nil end
  local ids = {}
  for word in string.gmatch(record, '%S+') do ids[#ids + 1] = word end
  if table.remove(ids, 1) ~= digest then return false end
  return ids
end

local function remember(request, digest, ids, ttl)
  if request == '' then return end
  redis.call('SET', request_key(request), digest .. ' ' .. table.concat(ids, ' '), 'PX', ttl)
end
