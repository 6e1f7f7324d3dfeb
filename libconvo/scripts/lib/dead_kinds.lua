-- What the dead letters from each kind of key are.

local DEAD_KINDS = {queue = 'ticket', claims = 'claim', sessions = 'session',
    closing = 'room', livekit = 'event', ended = 'ended', reports = 'report',
    probes = 'probe', dirty = 'user'}
