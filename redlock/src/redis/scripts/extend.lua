-- Prolongs the lock key while it is ours, and never shortens it. A header sets `recorded`, `fencing` and
-- `settings`. All reads come before the first write.
--
-- A lease must not outlive a replacement of settings by being renewed: its quorum may not meet the new one.
--
-- KEYS  lock, guard
-- ARGV  owner, ttl ms, max_ttl ms, counter field, counter
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' and not string.find(holder.err or '', 'WRONGTYPE', 1, true) then return holder end
if holder ~= ARGV[1] then return {'not_owner', holder and 1 or 0} end

local ttl, max, counter = tonumber(ARGV[2]), tonumber(ARGV[3]), nil
if recorded then
  local record = redis.pcall('HMGET', KEYS[2], 'max_ttl_ms', ARGV[4], 'settings')
  if record.err then return {'damaged', 'it is not a hash'} end
  if record[3] and record[3] ~= settings then return {'settings', record[3]} end
  if record[1] then
    max = tonumber(record[1])
    if not max or max ~= max then return {'damaged', 'max_ttl_ms is not a number'} end
  end
  counter = tonumber(record[2] or 0)
  if fencing and (not counter or counter ~= counter) then
    return {'damaged', 'counter ' .. ARGV[4] .. ' is not a number'}
  end
end
if ttl > max then return {'ttl_above_max', max} end
local left = redis.call('PTTL', KEYS[1])

if fencing and tonumber(ARGV[5]) > counter then redis.call('HSET', KEYS[2], ARGV[4], ARGV[5]) end
if ttl > left then
  redis.call('PEXPIRE', KEYS[1], ttl)
elseif left > max then
  -- More than max_ttl left proves that the clock stepped back.
  redis.call('PEXPIRE', KEYS[1], max)
end
return {'ok'}
