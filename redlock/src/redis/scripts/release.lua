-- Deletes the lock key if it is ours. The usual case comes first, and answers text: that is cheaper to make than a table.
--
-- KEYS  lock
-- ARGV  owner
local holder = redis.pcall('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 'released'
end
if type(holder) == 'table' and not string.find(holder.err or '', 'WRONGTYPE', 1, true) then return holder end
return {'not_owner', holder and 1 or 0}
