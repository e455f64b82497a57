-- Claims a job for one server: the slot that is due, or a run on request. A run whose lease ran out is
-- taken over.
-- include: clock job
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] job   ARGV[2] latest slot that is due, ms; 0 for a run on request
--   ARGV[3] id of the run to begin   ARGV[4] server   ARGV[5] lease, ms   ARGV[6] most attempts
--   ARGV[7] what is said of a run that was begun so often and never ended
-- Returns {status, now, run ended last or '', end of the lease, server, attempts, begin, given up},
-- where the status is CLAIMED, BUSY (another run holds the lease) or DONE (the slot is settled), and
-- `given up` is 1 if an abandoned run was begun too often to begin it again.
local job, slot = read_job(ARGV[1]), tonumber(ARGV[2])
local given_up = 0
local function answer(status)
  return { status, now, job.ended or '', tonumber(job.lease or 0), job.server or '',
    tonumber(job.attempts or 0), tonumber(job.begin or 0), given_up }
end

if job.run == ARGV[3] then return answer('CLAIMED') end
if job.run and tonumber(job.lease) > now then return answer('BUSY') end

-- First write.
if job.run and tonumber(job.attempts) >= tonumber(ARGV[6]) then
  given_up = 1
  end_run(job, FAILED, ARGV[7], '')
end
if not job.run and slot > 0 then
  -- A job that this store has never seen is first due at its next slot.
  if not job.slot then
    job.slot = slot
    redis.call('HSET', job.key, 'slot', int(slot))
  end
  if slot <= tonumber(job.slot) then return answer('DONE') end
end
if job.run then
  job.attempts = tonumber(job.attempts) + 1
else
  job.attempts, job.begin = 1, now
end
job.run, job.server, job.lease = ARGV[3], ARGV[4], now + tonumber(ARGV[5])
job['for'] = math.max(slot, tonumber(job['for'] or 0))
redis.call('HSET', job.key, 'run', job.run, 'server', job.server, 'lease', int(job.lease),
  'attempts', job.attempts, 'begin', int(tonumber(job.begin)), 'for', int(job['for']),
  'done', 0, 'total', 0)
return answer('CLAIMED')
