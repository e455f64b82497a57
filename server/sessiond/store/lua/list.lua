-- Reads one page of a user's sessions: those not ended by score, newest first, then the ended ones,
-- latest end first.
-- include: clock hash
-- flags: no-writes
--   KEYS[1] partition base
--   ARGV[1] user      ARGV[2] page size      ARGV[3] states wanted, such as 'ACTIVE ENDED'
--   ARGV[4] section of the last session of the page before: 'live', 'ended', or '' for the first page
--   ARGV[5] its score                        ARGV[6] its id
-- Returns {now, more (0 or 1), {section, score, id, hash, ...}}.
local user, size, states = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local section, after_score, after_id = ARGV[4], tonumber(ARGV[5]), ARGV[6]

local page, more = {}, 0

-- Adds sessions in order, past the last one of the page before, until the page is full.
local function fill(name, entries, past)
  table.sort(entries, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.id > b.id
  end)
  for _, entry in ipairs(entries) do
    local older = entry.score < after_score or (entry.score == after_score and entry.id < after_id)
    if not past or older then
      local session, flat = read_session(entry.id)
      if session and string.find(states, state_of(session), 1, true) then
        if #page == size * 4 then
          more = 1
          return
        end
        for _, part in ipairs({ name, int(entry.score), entry.id, flat }) do
          page[#page + 1] = part
        end
      end
    end
  end
end

local function scored(entries, pairs_)
  for i = 1, #pairs_, 2 do
    entries[#entries + 1] = { id = pairs_[i], score = tonumber(pairs_[i + 1]) }
  end
end

if section ~= 'ended' then
  local entries = {}
  for _, profile in ipairs(redis.call('HKEYS', PROFILES)) do
    scored(entries, redis.call('ZRANGE', live_key(profile, user), 0, -1, 'WITHSCORES'))
  end
  fill('live', entries, section == 'live')
end
if more == 0 then
  local entries = {}
  scored(entries, redis.call('ZRANGE', history_key(user), 0, -1, 'WITHSCORES'))
  fill('ended', entries, section == 'ended')
end
return { now, more, page }
