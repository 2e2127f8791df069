-- Drops everything when the database is on another timeline than whoever told of it last knew.
--
-- KEYS: the eras
-- ARGV: 1 timeline, 2 name of the era that begins with it, 3 position that bounds nothing, 4 channel, 5 message
-- Returns: whether an era has begun

if redis.call('HGET', KEYS[1], 'timeline') == ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'timeline', ARGV[1], 'everything', ARGV[2], 'floor', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
