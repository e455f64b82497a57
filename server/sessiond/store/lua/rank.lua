-- Names those of some users who belong on a page of all users: most live sessions first, then by id
-- in byte order. Who holds no session belongs nowhere.
-- include: order
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] live sessions of the user after whom the page begins, or ''   ARGV[2] that user
--   ARGV[3] live sessions of the last user of a full page, or ''          ARGV[4] that user
--   ARGV[5] users
-- Returns {user, live sessions, ended sessions, highest score of the live ones or '', ...}.
local after, after_user = tonumber(ARGV[1]), ARGV[2]
local last, last_user = tonumber(ARGV[3]), ARGV[4]
local profiles = redis.call('HKEYS', PROFILES)

local function is_before(live, user, other_live, other)
  if live ~= other_live then return live > other_live end
  return precedes(user, other)
end

local function newest_of(user)
  local newest = ''
  for _, profile in ipairs(profiles) do
    local score = redis.call('ZRANGE', live_key(profile, user), -1, -1, 'WITHSCORES')[2]
    if score and (newest == '' or tonumber(score) > tonumber(newest)) then newest = score end
  end
  return newest
end

local ranked = {}
for i = 5, #ARGV do
  local user, live = ARGV[i], 0
  for _, profile in ipairs(profiles) do
    live = live + redis.call('ZCARD', live_key(profile, user))
  end
  local fits = not after or is_before(after, after_user, live, user)
  if fits and last then fits = is_before(live, user, last, last_user) end
  if fits then
    local ended = redis.call('ZCARD', history_key(user))
    if live + ended > 0 then
      for _, part in ipairs({ user, live, ended, newest_of(user) }) do ranked[#ranked + 1] = part end
    end
  end
end
return ranked
