-- What /readyz and /metrics tell of a pool.
--
-- KEYS: ready schema alive queue claims sessions closing ended livekit dead
--       stats dirty reports restoring probes
-- ARGV:
-- returns   flat list of names and values: ready, alive, restoring ("1" or
--           "0"), and the counts waiting, claims, sessions, closing, ended,
--           events, dead, buried, dirty, reports, probes, matches, wait_ms

--@include pool

local function flag(value)
    return value and '1' or '0'
end

return {
    'ready', flag(pool_is_open(KEYS[1], KEYS[2])),
    'alive', flag(redis.call('EXISTS', KEYS[3]) == 1),
    'waiting', redis.call('LLEN', KEYS[4]),
    'claims', redis.call('ZCARD', KEYS[5]),
    'sessions', redis.call('ZCARD', KEYS[6]),
    'closing', redis.call('ZCARD', KEYS[7]),
    'ended', redis.call('XLEN', KEYS[8]),
    'events', redis.call('XLEN', KEYS[9]),
    'dead', redis.call('XLEN', KEYS[10]),
    'buried', redis.call('HGET', KEYS[11], 'dead') or '0',
    'dirty', redis.call('ZCARD', KEYS[12]),
    'reports', redis.call('XLEN', KEYS[13]),
    'probes', redis.call('ZCARD', KEYS[15]),
    'restoring', flag(redis.call('EXISTS', KEYS[14]) == 1
        and redis.call('EXISTS', KEYS[1]) == 0),
    'matches', redis.call('HGET', KEYS[11], 'matches') or '0',
    'wait_ms', redis.call('HGET', KEYS[11], 'wait_ms') or '0',
}
