-- Creates a session and makes room for it.
-- include: clock hash ending creation idempotency
--   KEYS[1]    partition base
--   ARGV[1-6]  see lib/ending.lua
--   ARGV[7]  user           ARGV[8]  session id            ARGV[9]  profile
--   ARGV[10] evict_oldest, evict_idle or reject            ARGV[11] cap
--   ARGV[12] idle, ms       ARGV[13] absolute, ms          ARGV[14] MAC key id
--   ARGV[15] request hash   ARGV[16] digest of the request ARGV[17] its TTL, ms
--   ARGV[18] session id to replace, or ''                  ARGV[19] device id, or ''
--   ARGV[20] session id, field and value pairs of the new hash
-- Returns {'CREATED' or 'REPLAYED', now, hash, {id, hash, ...} of those that made room},
-- {'REQUEST_ID_REUSED'}, {'REPLAY_SUPERSEDED', id}, {'UNREGISTERED'}, {'USER_MISMATCH'} or {'LIMIT'}.
local user, id, profile, at_cap = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local cap, request, digest = tonumber(ARGV[11]), ARGV[15], ARGV[16]
local replaces, device = ARGV[18], ARGV[19]

local function hashes(ids, first)
  local found = {}
  for i = first, #ids do
    local flat = redis.call('HGETALL', session_key(ids[i]))
    if #flat > 0 then
      found[#found + 1] = ids[i]
      found[#found + 1] = flat
    end
  end
  return found
end

local seen = recall(request, digest)
if seen == false then return { 'REQUEST_ID_REUSED' } end
if seen then
  local session, flat = read_session(seen[1])
  if not session or state_of(session) ~= 'ACTIVE' or session.g ~= '1' then
    return { 'REPLAY_SUPERSEDED', seen[1] }
  end
  return { 'REPLAYED', now, seen[1], flat, hashes(seen, 2) }
end
-- A store that was emptied, or is another one, has to be registered with again.
if redis.call('HEXISTS', PROFILES, profile) == 0 then return { 'UNREGISTERED' } end

local replaced, expired, staying = {}, {}, {}
local members = members_of(profile, user)
for _, member in ipairs(members) do
  local list = staying
  if is_dead(member.session) then
    list = expired
  elseif member.id == replaces or (device ~= '' and member.session.d == device) then
    list = replaced
  end
  list[#list + 1] = member
end
if device ~= '' then
  for _, other in ipairs(all_profiles()) do
    for _, member in ipairs(other ~= profile and members_of(other, user) or {}) do
      local same = not is_dead(member.session) and member.session.d == device
      if same and member.id ~= replaces then replaced[#replaced + 1] = member end
    end
  end
end
if replaces ~= '' then
  local other = read_session(replaces)
  if other and other.u ~= user then return { 'USER_MISMATCH' } end
  if other and (other.p or 'default') ~= profile and state_of(other) == 'ACTIVE' then
    replaced[#replaced + 1] = { id = replaces, session = other }
  end
end
if at_cap == 'reject' and #staying >= cap then return { 'LIMIT' } end
local excess = math.max(0, #staying - cap + 1)

local live = live_key(profile, user)
local newest = redis.call('ZRANGE', live, -1, -1, 'WITHSCORES')
local score = math.max(now_us, (tonumber(newest[2]) or 0) + 1)
local before = census(user)
reach(user, #replaced + excess)
redis.call('EXISTS', session_key(id), request_key(request))

-- First write.
local ended = {}
for _, member in ipairs(expired) do drop(member.id, profile, user, member.session) end
for _, member in ipairs(replaced) do
  finish(member.id, member.session, REPLACED)
  ended[#ended + 1] = member.id
end
if excess > 0 then
  local sessions = {}
  for _, member in ipairs(staying) do sessions[member.id] = member.session end
  local popped = redis.call('ZPOPMIN', live, excess)
  for i = 1, #popped, 2 do
    finish(popped[i], sessions[popped[i]], EVICTED_BY_CAP)
    ended[#ended + 1] = popped[i]
  end
end

local absolute = now + tonumber(ARGV[13])
local expiry = math.min(now + tonumber(ARGV[12]), absolute)
begin_session(score, expiry, absolute, now_us ~= score and { 'm', int(now) } or {})
write_counts()
write_histogram(before, census(user))

local made = hashes(ended, 1)
table.insert(ended, 1, id)
remember(request, digest, ended, ARGV[17])
return { 'CREATED', now, id, redis.call('HGETALL', session_key(id)), made }
