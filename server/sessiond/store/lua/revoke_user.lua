-- Ends all live sessions of a user, of every profile, or all but one.
-- include: clock hash ending idempotency
-- flags: allow-oom
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7] user            ARGV[8] session id that stays, or ''     ARGV[9] end reason
--   ARGV[10] request hash   ARGV[11] digest of the request           ARGV[12] its TTL, ms
-- Returns {'REVOKED' or 'REPLAYED', now, {id, ...}}, {'REQUEST_ID_REUSED'} or {'USER_MISMATCH'}.
local user, except, reason = ARGV[7], ARGV[8], ARGV[9]
local request, digest = ARGV[10], ARGV[11]

local seen = recall(request, digest)
if seen == false then return { 'REQUEST_ID_REUSED' } end
if seen then return { 'REPLAYED', now, seen } end
if except ~= '' then
  local owner = redis.call('HGET', session_key(except), 'u')
  if owner and owner ~= user then return { 'USER_MISMATCH' } end
end

local expired, ending = {}, {}
for _, profile in ipairs(all_profiles()) do
  for _, member in ipairs(members_of(profile, user)) do
    if is_dead(member.session) then
      expired[#expired + 1] = { id = member.id, profile = profile, session = member.session }
    elseif member.id ~= except then
      ending[#ending + 1] = member
    end
  end
end
local before = census(user)
reach(user, #ending)
redis.call('EXISTS', request_key(request))

-- First write.
local ids = {}
for _, member in ipairs(expired) do drop(member.id, member.profile, user, member.session) end
for i, member in ipairs(ending) do
  finish(member.id, member.session, reason)
  ids[i] = member.id
end
write_counts()
write_histogram(before, census(user))
remember(request, digest, ids, ARGV[12])
return { 'REVOKED', now, ids }
