-- Replaces the stored settings and, when `guarded` is set by the header, un-admits the node and
-- quarantines it for the larger of the old and the new max_ttl. Counters stay.
--
-- KEYS  guard, quarantine
-- ARGV  settings, max_ttl ms, identity, random text
local stored = redis.pcall('HMGET', KEYS[1], 'max_ttl_ms', 'quarantine_ms')
if stored.err then return {'damaged', 'it is not a hash'} end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
if run_id .. ':' .. replid ~= ARGV[3] then return {'stale'} end
local longest = math.max(tonumber(ARGV[2]), tonumber(stored[1] or 0) or 0, tonumber(stored[2] or 0) or 0)

redis.call('HSET', KEYS[1], 'settings', ARGV[1], 'max_ttl_ms', ARGV[2])
redis.call('HDEL', KEYS[1], 'identity', 'candidate', 'nonce', 'quarantine_ms')
if not guarded then return {'ok'} end
local nonce = redis.sha1hex(ARGV[4])
redis.call('HSET', KEYS[1], 'candidate', ARGV[3], 'nonce', nonce, 'quarantine_ms', longest)
redis.call('SET', KEYS[2], nonce, 'PX', longest)
return {'quarantined', longest, nonce, longest}
