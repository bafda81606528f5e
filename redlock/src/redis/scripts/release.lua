-- Deletes the lock key if it is ours.
--
-- KEYS  lock
-- ARGV  owner
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' and not string.find(holder.err or '', 'WRONGTYPE', 1, true) then return holder end
if holder ~= ARGV[1] then return {'not_owner', holder and 1 or 0} end
redis.call('DEL', KEYS[1])
return {'released'}
