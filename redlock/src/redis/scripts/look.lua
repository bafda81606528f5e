-- Reports where the guard record stands, and changes nothing.
--
-- KEYS  guard, quarantine
local record = redis.pcall('HMGET', KEYS[1], 'settings', 'identity', 'candidate', 'nonce', 'quarantine_ms')
if record.err then return {'damaged', 'it is not a hash'} end
if redis.call('EXISTS', KEYS[1]) == 0 then return {'absent'} end
local length = tonumber(record[5] or 0)
if not length or length < 0 or length ~= math.floor(length) then return {'damaged', 'quarantine_ms is not a number'} end
return {'record', record[1] or '', record[2] or '', record[3] or '', redis.call('PTTL', KEYS[2]), record[4] or '', length}
