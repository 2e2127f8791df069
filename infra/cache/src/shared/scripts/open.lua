-- Gives a process all it needs to answer a question, in one round trip: the answer if it is valid, else the
-- generations and the fence under which to load it, and the lease to do so.
--
-- KEYS: the answer, its lease, the tenant's last write, one counter per tag
-- ARGV: 1 who asks, 2 lease in ms, 3 life of counters in ms, 4 seed of lost counters,
--       5 generations of what the process has, 6 ms before its end from which on an answer is stale,
--       7 how long a load may take in ms, 8 how old may be what a load says that it has seen, in ms,
--       9 life in ms of an answer that an older release has kept
-- Returns: state, generations, fence, life of the answer in ms, how much of it is left, the answer, whether the lease was
--          given

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The last write bounds the fence of every counter that was lost. It is itself unknown ('u' and since when) after it
-- was lost: then loads read all there is.
local written = redis.call('GET', KEYS[3])
if not written then
  written = 'u' .. string.format('%.0f', now)
  redis.call('SET', KEYS[3], written, 'PX', ARGV[3])
end
local is_unknown = string.sub(written, 1, 1) == 'u'

local generations = {}
local fence = ''
for i = 4, #KEYS do
  local counter = redis.call('HMGET', KEYS[i], 'g', 'p')
  if not counter[1] then
    counter = { string.format('%.0f', ARGV[4] + i), is_unknown and '?' or written }
    redis.call('HSET', KEYS[i], 'g', counter[1], 'p', counter[2])
    -- There may be nothing to load: it lives on if the answer is kept.
    redis.call('PEXPIRE', KEYS[i], ARGV[7])
  end
  if counter[2] == '?' and not is_unknown then
    -- It was lost while nobody knew the last write; since then that is known again, and bounds it.
    counter[2] = written
    redis.call('HSET', KEYS[i], 'p', written)
  end
  if counter[2] > fence then
    fence = counter[2]
  end
  generations[#generations + 1] = counter[1]
end
generations = table.concat(generations, ' ')
if is_unknown then
  -- Whatever was on its way when the last write was lost has arrived by then, and is seen.
  fence = (now - string.sub(written, 2) >= tonumber(ARGV[8])) and 'u1' or 'u0'
end

if ARGV[5] == generations then
  return { 'same', generations, fence, 0, 0, '', 0 }
end

local function lease()
  return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
end

local of_answer = redis.call('HGET', KEYS[1], 'g')
if of_answer == generations then
  local kept = redis.call('HMGET', KEYS[1], 'v', 'l')
  local left = redis.call('PTTL', KEYS[1])
  local leased = 0
  if left <= tonumber(ARGV[6]) then
    leased = lease()
  end
  return { 'kept', generations, fence, tonumber(kept[2] or ARGV[9]), math.max(left, 0), kept[1], leased }
end
if of_answer then
  redis.call('UNLINK', KEYS[1])
end
return { 'missing', generations, fence, 0, 0, '', lease() }
