-- Whether `a` comes before `b` in byte order: Lua's own order is that of the engine's locale.
local function precedes(a, b)
  if a == b then return false end
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end
