-- Goes before acquire.lua: the usual case, in as few commands and with as little said as possible. The record
-- is as expected and the lock key is free; whatever is otherwise is left to acquire.lua, which begins anew.
-- It answers text, which is cheaper to make than a table. Headers set the modes and what never differs between calls.
--
-- KEYS  lock
-- ARGV  owner, ttl ms, identity, proof and, when fencing, counter field, proposal us, counter seen
if not strict then
  local record
  if fencing then
    record = redis.pcall('HMGET', guard, 'settings', 'max_ttl_ms', 'identity', ARGV[5])
  else
    record = redis.pcall('HMGET', guard, 'settings', 'max_ttl_ms', 'identity')
  end
  if record[1] == settings and record[2] == max_ms and (record[3] == ARGV[3] or not guarded)
    and tonumber(ARGV[2]) <= tonumber(max_ms) then
    if not fencing then
      if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'granted 0' end
    else
      -- The counter only moves here when the node would take the proposal as it is.
      local counter, proposal = tonumber(record[4] or 0), tonumber(ARGV[6])
      if counter and counter >= tonumber(ARGV[7]) and counter % 1 == 0
        and counter < proposal and proposal <= 9007199254740991 then
        local time = redis.call('TIME')
        local ahead = proposal - time[1] * 1000000 - time[2]
        if ahead <= window_us and ahead >= -window_us
          and redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
          -- Nothing but a missing permission makes this fail, and then no lock key is left behind.
          local counted = redis.pcall('HSET', guard, ARGV[5], ARGV[6])
          if type(counted) == 'table' then
            redis.call('DEL', KEYS[1])
            return counted
          end
          return 'granted ' .. ARGV[6]
        end
      end
    end
  end
end

local KEYS, ARGV = {KEYS[1], guard, quarantine},
  {ARGV[1], ARGV[2], settings, max_ms, ARGV[3], ARGV[5] or '', ARGV[6] or 0, window_us, ARGV[4], ARGV[7] or 0}
