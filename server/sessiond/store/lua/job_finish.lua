-- Ends a run and keeps its result.
-- include: clock job
-- flags: allow-oom
--   KEYS[1] partition base
--   ARGV[1] job   ARGV[2] run   ARGV[3] outcome   ARGV[4] message   ARGV[5] payload, or '' to keep
--   the one that is there
-- Returns {begin, duration in ms, attempts}, or {} if the job has gone to another run.
local job = read_job(ARGV[1])
if job.ended ~= ARGV[2] then
  if job.run ~= ARGV[2] then return {} end
  -- First write.
  end_run(job, ARGV[3], ARGV[4], ARGV[5])
end
return { tonumber(job.last_begin), tonumber(job.last_duration), tonumber(job.last_attempts) }
