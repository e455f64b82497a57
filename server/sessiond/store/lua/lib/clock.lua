-- The engine's clock, the only one there is: `now` in milliseconds, `now_us` in microseconds.
local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)

-- Lua prints numbers from 1e14 in scientific notation unless told otherwise.
local function int(n) return string.format('%.0f', n) end
