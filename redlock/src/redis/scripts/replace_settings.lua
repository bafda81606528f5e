-- Replaces the stored settings and, when `guarded` is set by the header, un-admits the node and
-- quarantines it for the larger of the old and the new max_ttl. Counters stay.
--
-- KEYS  guard, quarantine
-- ARGV  settings, max_ttl ms, identity, random text
local stored = redis.pcall('HGET', KEYS[1], 'max_ttl_ms')
if type(stored) == 'table' then return {'damaged', 'it is not a hash'} end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
if run_id .. ':' .. replid ~= ARGV[3] then return {'stale'} end
local longest = math.max(tonumber(ARGV[2]), tonumber(stored or 0) or 0)

redis.call('HSET', KEYS[1], 'settings', ARGV[1], 'max_ttl_ms', ARGV[2])
redis.call('HDEL', KEYS[1], 'identity', 'candidate', 'nonce')
if not guarded then return {'ok'} end
local nonce = redis.sha1hex(ARGV[4])
redis.call('HSET', KEYS[1], 'candidate', ARGV[3], 'nonce', nonce)
redis.call('SET', KEYS[2], nonce, 'PX', longest)
return {'quarantined', longest}
