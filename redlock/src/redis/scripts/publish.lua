-- Raises a fencing counter while the lock key is still ours.
--
-- KEYS  lock, guard
-- ARGV  owner, counter field, counter
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' and not string.find(holder.err or '', 'WRONGTYPE', 1, true) then return holder end
if holder ~= ARGV[1] then return {'not_owner', holder and 1 or 0} end
local stored = redis.pcall('HGET', KEYS[2], ARGV[2])
if type(stored) == 'table' then return {'damaged', 'it is not a hash'} end
local counter = tonumber(stored or 0)
if not counter or counter ~= counter then return {'damaged', 'counter ' .. ARGV[2] .. ' is not a number'} end
if tonumber(ARGV[3]) > counter then redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) end
return {'ok'}
