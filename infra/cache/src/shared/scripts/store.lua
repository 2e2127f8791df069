-- Keeps an answer, unless one of its tags was bumped since its load began.
--
-- KEYS: the answer, its lease, the tenant's last write, one counter per tag
-- ARGV: 1 who loaded, 2 generations from before the load, 3 the answer, 4 its life in ms, 5 life of counters in ms,
--       6 a position that bounds the last write from above, or ''
-- Returns: whether it was kept

if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end

local generations = {}
for i = 4, #KEYS do
  local generation = redis.call('HGET', KEYS[i], 'g')
  if not generation then
    return 0
  end
  generations[#generations + 1] = generation
end
if table.concat(generations, ' ') ~= ARGV[2] then
  return 0
end

redis.call('HSET', KEYS[1], 'g', ARGV[2], 'v', ARGV[3], 'l', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
-- A counter outlives every answer that depends on it.
for i = 4, #KEYS do
  redis.call('PEXPIRE', KEYS[i], ARGV[5])
end
redis.call('PEXPIRE', KEYS[3], ARGV[5])
if ARGV[6] ~= '' then
  local written = redis.call('GET', KEYS[3])
  if written and string.sub(written, 1, 1) == 'u' then
    redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[5])
  end
end
return 1
