-- Has one process find out whether a service is back, for a while.
--
-- KEYS: who does
-- ARGV: 1 who asks; 2 for how long, in milliseconds

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
