-- Admits a node that has no guard record. A header sets `guarded`.
--
-- KEYS  guard
-- ARGV  settings, max_ttl ms, identity
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
if run_id .. ':' .. replid ~= ARGV[3] then return {'stale'} end
redis.call('HSET', KEYS[1], 'settings', ARGV[1], 'max_ttl_ms', ARGV[2])
if guarded then redis.call('HSET', KEYS[1], 'identity', ARGV[3]) end
return {'ok'}
