-- How an audit goes: all subjects are looked at before the first repair, and those that disagree are
-- looked at again by themselves, because a repair may settle or change what comes after it.

-- A subject is `width` arguments, the first one at `first`. `drifts_of(at)` gives nil for the one at an
-- argument, or a list of {kind, what, user and repair, where there is one}. Stops where `cost` has come
-- to `most`. Returns {subjects done, {kind, what, ...}}.
local cost = 0
local function audit(first, width, most, repairing, drifts_of)
  local done, found, ailing = 0, {}, {}
  for at = first, #ARGV, width do
    local drifts = drifts_of(at)
    if drifts then ailing[#ailing + 1] = { at = at, drifts = drifts } end
    done = done + 1
    if cost >= most then break end
  end
  for _, patient in ipairs(ailing) do
    for _, drift in ipairs(patient.drifts) do
      found[#found + 1] = drift.kind
      found[#found + 1] = drift.what
      if repairing and drift.user then reach(drift.user, #ailing) end
    end
  end
  if repairing then
    for _, patient in ipairs(ailing) do
      for _, drift in ipairs(drifts_of(patient.at) or {}) do
        if drift.repair then drift.repair() end
      end
    end
    write_counts()
  end
  return { done, found }
end

-- Runs what changes a user's live sets, and moves the user in the histogram.
local function recounted(user, change)
  local before = census(user)
  change()
  write_histogram(before, census(user))
end

-- Whether what should be a user's sets are sets. One that is none is named by itself.
local function has_sets(user)
  local sets = { history_key(user) }
  for _, profile in ipairs(all_profiles()) do
    sets[#sets + 1] = live_key(profile, user)
  end
  for _, set in ipairs(sets) do
    if type(redis.pcall('ZCARD', set)) == 'table' then return false end
  end
  return true
end

-- Adds to a list of drifts, which may be nil yet. Of a user whose sets are none, nothing can be said.
local function add(drifts, kind, what, user, repair)
  if user and not has_sets(user) then return drifts end
  drifts = drifts or {}
  drifts[#drifts + 1] = { kind = kind, what = what, user = user, repair = repair }
  return drifts
end
