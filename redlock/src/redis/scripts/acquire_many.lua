-- Goes behind release_many.lua: the acquisitions, each as in acquire_free.lua, with the record and the clock read once for all
-- of them and the counters written together. Whatever is not the usual case is left to `general`, which is acquire.lua.
--
-- ARGV  then: identity, proof and, for each acquisition, owner, ttl ms and, when fencing, counter field, proposal us, counter seen
local at = 3 + releases
local identity, proof = ARGV[at - 1], ARGV[at]
local usual, record = not strict and releases < #KEYS, {}
if usual then
  local ask = {'HMGET', guard, 'settings', 'max_ttl_ms', 'identity'}
  if fencing then
    for field = at + 3, #ARGV, 5 do ask[#ask + 1] = ARGV[field] end
  end
  record = redis.pcall(unpack(ask))
  usual = record[1] == settings and record[2] == max_ms and (record[3] == identity or not guarded)
end

local most, now = tonumber(max_ms), nil
-- What was granted, and the counters for it that are not written yet.
local granted, counters, count = {}, {}, {'HSET', guard}

local function write_counters()
  if #count == 2 then return end
  local counted = redis.pcall(unpack(count))
  if type(counted) == 'table' then
    -- Without the counter no lock key stays.
    for _, i in ipairs(granted) do
      redis.call('DEL', KEYS[i])
      answers[i] = counted
    end
  end
  granted, count = {}, {'HSET', guard}
end

-- The answer to acquisition `i`, or nil if it is not the usual case.
local function free(i, owner, ttl, field, proposed, seen)
  if tonumber(ttl) > most then return nil end
  if fencing then
    -- The counter only moves here when the node would take the proposal as it is.
    local counter, proposal = counters[field] or tonumber(record[3 + i - releases] or 0), tonumber(proposed)
    if not (counter and counter >= tonumber(seen) and counter % 1 == 0
      and counter < proposal and proposal <= 9007199254740991) then return nil end
    if not now then
      local time = redis.call('TIME')
      now = time[1] * 1000000 + time[2]
    end
    if proposal - now > window_us or now - proposal > window_us then return nil end
  end
  local set = redis.pcall('SET', KEYS[i], owner, 'NX', 'PX', ttl)
  if not set then return nil end
  if set.err then return set end
  if not fencing then return 'granted 0' end
  granted[#granted + 1] = i
  counters[field] = tonumber(proposed)
  count[#count + 1] = field
  count[#count + 1] = proposed
  return 'granted ' .. proposed
end

for i = releases + 1, #KEYS do
  local owner, ttl, field, proposed, seen = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if not fencing then field, proposed, seen = '', 0, 0 end
  at = at + (fencing and 5 or 2)
  local answer = usual and free(i, owner, ttl, field, proposed, seen)
  if not answer then
    -- It reads the counters itself.
    write_counters()
    local ran
    ran, answer = pcall(general, {KEYS[i], guard, quarantine},
      {owner, ttl, settings, max_ms, identity, field, proposed, window_us, proof, seen})
    if not ran then answer = type(answer) == 'table' and answer or {err = 'ERR ' .. tostring(answer)} end
    -- It may have changed what was read, unless the lock was held.
    usual = usual and type(answer) == 'table' and answer[1] == 'held'
  end
  answers[i] = answer
end
write_counters()
