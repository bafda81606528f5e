-- Several calls in one: here the releases, each as in release.lua. A call has an answer of its own, in their order, and it is
-- the one that it would have had alone.
--
-- KEYS  the locks to release, then the locks to acquire
-- ARGV  how many releases, their owners, then what acquire_many.lua reads
local answers, releases = {}, tonumber(ARGV[1])
-- They are deleted together, so a key is as good as gone before it is.
local ours, gone = {'DEL'}, {}
for i = 1, releases do
  local key = KEYS[i]
  local holder = not gone[key] and redis.pcall('GET', key)
  if holder == ARGV[1 + i] then
    answers[i] = 'released'
    ours[#ours + 1] = key
    gone[key] = true
  elseif type(holder) == 'table' and not string.find(holder.err or '', 'WRONGTYPE', 1, true) then
    answers[i] = holder
  else
    answers[i] = {'not_owner', holder and 1 or 0}
  end
end
if #ours > 1 and type(redis.pcall(unpack(ours))) == 'table' then
  -- One key that may not be deleted keeps no other.
  for i = 1, releases do
    local deleted = answers[i] == 'released' and redis.pcall('DEL', KEYS[i])
    if type(deleted) == 'table' then answers[i] = deleted end
  end
end
