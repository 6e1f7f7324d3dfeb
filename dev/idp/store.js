// Where oidc-provider keeps its sessions, codes, grants and tokens: in memory.
//
// The adapter that comes with the library forgets the oldest of a thousand
// entries, which a test with a few hundred users reaches; this one forgets
// only what has expired.

const SWEEP_EVERY = 1000;

const MODELS_OF_A_GRANT = new Set([
  'AccessToken', 'AuthorizationCode', 'RefreshToken',
]);

/** A factory of adapters (one per model name) that share one store. */
export function memoryStore() {
  const entries = new Map();
  const sessions = new Map();
  const grants = new Map();
  let writes = 0;

  function alive(key) {
    const entry = entries.get(key);
    return entry && entry.expiresAt > Date.now() ? entry.payload : undefined;
  }

  function forget(key) {
    const payload = entries.get(key)?.payload;

    entries.delete(key);
    sessions.delete(payload?.uid);
    grants.get(payload?.grantId)?.delete(key);

    if (grants.get(payload?.grantId)?.size === 0) {
      grants.delete(payload.grantId);
    }
  }

  function sweep() {
    for (const key of entries.keys()) {
      if (!alive(key)) {
        forget(key);
      }
    }
  }

  return (model) => ({
    async upsert(id, payload, expiresIn_s) {
      const key = `${model}:${id}`;

      if (++writes % SWEEP_EVERY === 0) {
        sweep();
      }

      entries.set(key, {
        payload,
        expiresAt: expiresIn_s ? Date.now() + expiresIn_s * 1000 : Infinity,
      });

      if (model === 'Session') {
        sessions.set(payload.uid, key);
      }

      if (MODELS_OF_A_GRANT.has(model) && payload.grantId) {
        const members = grants.get(payload.grantId) ?? new Set();
        grants.set(payload.grantId, members.add(key));
      }
    },

    async find(id) {
      return alive(`${model}:${id}`);
    },

    async findByUid(uid) {
      return alive(sessions.get(uid));
    },

    async consume(id) {
      const payload = alive(`${model}:${id}`);

      if (payload) {
        payload.consumed = Math.floor(Date.now() / 1000);
      }
    },

    async destroy(id) {
      forget(`${model}:${id}`);
    },

    async revokeByGrantId(grantId) {
      for (const key of grants.get(grantId) ?? []) {
        forget(key);
      }
    },
  });
}
