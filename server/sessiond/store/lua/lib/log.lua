-- How far the log of the partition has come.

-- The id of the last event or '0-0', how many events the log ever had, and how many it holds.
local function log_extent()
  if redis.call('EXISTS', LOG) == 0 then return '0-0', 0, 0 end
  local info, flat = {}, redis.call('XINFO', 'STREAM', LOG)
  for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
  return info['last-generated-id'], info['entries-added'], info['length']
end
