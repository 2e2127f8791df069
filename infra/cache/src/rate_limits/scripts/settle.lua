-- Moves what a key has used up into the moment that all processes share, and tells how far ahead that lies.
--
-- KEYS: the key's moment
-- ARGV: 1 what was used up, in microseconds until it has come back: fewer than none when it was given back;
--       2 the window in microseconds
--
-- The moment is told in the server's own time, so that no two clocks are compared.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local moment = tonumber(redis.call('GET', KEYS[1]) or now)

if moment < now then
  moment = now
end
moment = moment + ARGV[1]
-- Whatever processes let pass while they did not hear of each other, nobody waits for more than two windows.
local latest = now + 2 * ARGV[2]
if moment > latest then
  moment = latest
end
if moment <= now then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', moment), 'PX', math.ceil((moment - now) / 1000))
return math.floor(moment - now)
