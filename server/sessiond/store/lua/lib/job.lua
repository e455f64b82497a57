-- What the scripts of jobs share: reading a job, and ending its run.

-- The job's hash by field name, `key` beside it. `run` is there while a run is, abandoned or not.
local function read_job(name)
  local key = job_key(name)
  local flat = redis.call('HGETALL', key)
  local job = { key = key }
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  return job
end

-- Writes how the run ended, and settles the slot that it was for.
local function end_run(job, outcome, message, payload)
  local writes = {
    ended = job.run, last_begin = job.begin, last_duration = int(now - tonumber(job.begin)),
    last_outcome = outcome, last_message = message, last_attempts = job.attempts,
  }
  -- A server whose clock is behind may have taken over a run after its own latest slot was settled.
  if tonumber(job['for']) > tonumber(job.slot or 0) then writes.slot = job['for'] end
  if tonumber(outcome) == SUCCEEDED then writes.success = int(now) end
  if payload ~= '' then writes.payload = payload end
  for field, value in pairs(writes) do
    job[field] = value
    redis.call('HSET', job.key, field, value)
  end
  for _, field in ipairs({ 'run', 'lease', 'for', 'attempts' }) do
    job[field] = nil
    redis.call('HDEL', job.key, field)
  end
end
