-- Renews the lease of a run, and tells how far it has come.
-- include: clock job
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] job   ARGV[2] run   ARGV[3] lease from now, ms; 0 gives it up   ARGV[4] done   ARGV[5] total
-- Returns 1, or 0 if the job has gone to another run.
local job = read_job(ARGV[1])
if job.run ~= ARGV[2] then return 0 end

-- First write.
redis.call('HSET', job.key, 'lease', int(now + tonumber(ARGV[3])), 'done', ARGV[4], 'total', ARGV[5])
return 1
