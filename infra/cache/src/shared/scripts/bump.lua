-- Invalidates what depends on some tags of one tenant, and tells all processes.
--
-- KEYS: the tenant's last write, one counter per tag
-- ARGV: 1 position of the commit, '?' if nobody knows it, '' if there was none; 2 life of counters in ms,
--       3 seed of lost counters, 4 channel, 5 message, 6 whether this was owed since some time

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local position = ARGV[1]
local written = redis.call('GET', KEYS[1])

if position == '?' then
  written = 'u' .. string.format('%.0f', now)
  position = ''
  redis.call('SET', KEYS[1], written, 'PX', ARGV[2])
elseif position ~= '' then
  if not written then
    written = 'u' .. string.format('%.0f', now)
    redis.call('SET', KEYS[1], written, 'PX', ARGV[2])
  elseif string.sub(written, 1, 1) ~= 'u' then
    if position > written then
      written = position
    end
    redis.call('SET', KEYS[1], written, 'PX', ARGV[2])
  elseif ARGV[6] == '0' and now - string.sub(written, 2) >= 1000 then
    -- Every commit that was lost track of lies before this one by now.
    written = position
    redis.call('SET', KEYS[1], written, 'PX', ARGV[2])
  end
end

-- What bounds the fence of a counter that was lost: the last write, unless that is itself unknown.
local bound = '?'
if written and string.sub(written, 1, 1) ~= 'u' then
  bound = written
end
for i = 2, #KEYS do
  local counter = redis.call('HMGET', KEYS[i], 'g', 'p')
  if not counter[1] then
    -- A counter that was lost starts anew at random, so that no answer from before is taken for valid.
    redis.call('HSET', KEYS[i], 'g', string.format('%.0f', ARGV[3] + i), 'p', bound)
  else
    redis.call('HINCRBY', KEYS[i], 'g', 1)
    if ARGV[1] == '?' or counter[2] == '?' then
      redis.call('HSET', KEYS[i], 'p', bound)
    elseif position > counter[2] then
      redis.call('HSET', KEYS[i], 'p', position)
    end
  end
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return #KEYS - 1
