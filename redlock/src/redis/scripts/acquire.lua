-- Sets the lock key if it is free and this node may vote. A header sets `guarded`,
-- `strict`, `fencing` and `watching`. All reads and type checks come before the first write: scripts do not roll back.
--
-- KEYS  lock, guard, quarantine
-- ARGV  owner, ttl ms, settings, max_ttl ms, identity, counter field, proposal us, window us, proof,
--       counter seen and, when watching, whether a node without a record is to be quarantined (1) or left alone (0)
local limit = 9007199254740991

-- The whole number in `text`, or nil if that is not what it holds.
local function whole(text)
  local n = tonumber(text)
  if n and n >= 0 and n <= limit and n == math.floor(n) then return n end
  return nil
end

local function wrong_type(reply)
  return type(reply) == 'table' and reply.err and string.find(reply.err, 'WRONGTYPE', 1, true)
end

local owner, ttl = ARGV[1], tonumber(ARGV[2])
local settings, max = ARGV[3], tonumber(ARGV[4])
local identity, field, proof = ARGV[5], ARGV[6], ARGV[9]

local record = redis.pcall('HMGET', KEYS[2], 'settings', 'max_ttl_ms', 'identity', 'candidate', 'nonce', 'quarantine_ms', field)
if wrong_type(record) then return {'damaged', 'it is not a hash'} end
if record.err then return record end
if record[1] and record[1] ~= settings then return {'settings', record[1]} end
if watching and ARGV[11] == '0' and not record[1] then return {'absent'} end
if record[2] then
  max = whole(record[2])
  if not max then return {'damaged', 'max_ttl_ms is not a number'} end
end
if ttl > max then return {'ttl_above_max', max} end
local counter = 0
if fencing and record[7] then
  counter = whole(record[7])
  if not counter then return {'damaged', 'counter ' .. field .. ' is not a number'} end
end
-- Counters never fall. One below what the caller has seen: the memory was set back, keys with it.
local went_back = fencing and counter < tonumber(ARGV[10])

-- A connection's identity was read when it was made. If the node admitted another one, either this
-- connection is stale or the server may have forgotten keys; INFO tells which. A failover there and
-- back changes the identity and breaks no connection: only INFO, read each time, tells.
local distrusted = went_back or record[3] ~= identity
if guarded and (strict or distrusted) then
  local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
  local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
  if run_id .. ':' .. replid ~= identity then return {'stale'} end
end

local admit = false
if guarded and distrusted then
  -- A replacement of settings may have left a longer quarantine than ours.
  local length = math.max(max, whole(record[6]) or 0)
  local nonce, left = record[5], redis.call('PTTL', KEYS[3])
  if record[4] ~= identity or not nonce or went_back then
    nonce = redis.sha1hex(owner)
    redis.call('HDEL', KEYS[2], 'identity')
    redis.call('HSET', KEYS[2], 'candidate', identity, 'settings', settings, 'max_ttl_ms', max, 'nonce', nonce, 'quarantine_ms', length)
    redis.call('SET', KEYS[3], nonce, 'PX', length)
    return {went_back and 'went_back' or 'quarantined', length, nonce, length}
  elseif left == -1 then
    return {'damaged', 'the quarantine key has no TTL'}
  elseif left > length then
    -- The clock stepped back: nothing has to wait for it to catch up.
    redis.call('PEXPIRE', KEYS[3], length)
    return {'quarantined', length, nonce, length}
  elseif left >= 0 or proof ~= nonce then
    -- The node's clock alone ends nothing: it steps just after boot. A client must have measured.
    return {'quarantined', math.max(left, 0), nonce, length}
  end
  admit = true
end

local holder, left = false, 0
if not watching then
  holder = redis.pcall('GET', KEYS[1])
  if wrong_type(holder) then return {'foreign', 'it is a ' .. redis.call('TYPE', KEYS[1]).ok} end
  if type(holder) == 'table' then return holder end
  left = redis.call('PTTL', KEYS[1])
  if left == -1 then return {'foreign', 'it has no TTL'} end
end

if fencing and not holder and not watching then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local window = tonumber(ARGV[8])
  local proposal = math.min(math.max(tonumber(ARGV[7]), now - window), now + window)
  counter = math.max(counter + 1, proposal)
  if counter > limit then return {'exhausted'} end
end

-- From here on only writes.
if admit then
  redis.call('HSET', KEYS[2], 'identity', identity)
  redis.call('HDEL', KEYS[2], 'candidate', 'nonce', 'quarantine_ms')
end
if watching then return {'admitted'} end
if not record[1] then redis.call('HSET', KEYS[2], 'settings', settings, 'max_ttl_ms', max) end
if holder then
  -- A lock never has more than max_ttl left: the clock stepped back.
  if left > max then redis.call('PEXPIRE', KEYS[1], max) end
  return {'held', math.max(math.min(left, max), 0)}
end
-- The counter first: one that is ahead is a harmless gap, a lock key left behind is not.
if fencing then redis.call('HSET', KEYS[2], field, string.format('%.0f', counter)) end
redis.call('SET', KEYS[1], owner, 'NX', 'PX', ttl)
return {'granted', counter}
