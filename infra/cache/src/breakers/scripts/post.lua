-- Writes news, and gives them a number that is greater than that of whatever stood there.
--
-- KEYS: where they stand
-- ARGV: 1 the news; 2 how long they are kept, in milliseconds, 0 without an end; 3 whether anything that stands there stays
--
-- The number is the moment in the server's own time, in microseconds: one that has lost all it knew goes on behind it.

local current = redis.call('GET', KEYS[1])
if current and ARGV[3] == '1' then
  return 0
end
local clock = redis.call('TIME')
local number = clock[1] * 1000000 + clock[2]
if current then
  local before = tonumber(string.match(current, '^%d+')) or 0
  number = math.max(number, before + 1)
end
local text = string.format('%.0f %s', number, ARGV[1])
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], text)
else
  redis.call('SET', KEYS[1], text, 'PX', ARGV[2])
end
return number
