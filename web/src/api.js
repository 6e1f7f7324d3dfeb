// The conversation API: calls with the person's token, and errors as one kind.

const TIMEOUT_MS = 10_000;

/**
 * What went wrong with a call. code is the problem document's (or `network`,
 * `bad_answer`), status the HTTP status or 0, retryAfter_s what the server
 * asked for.
 */
export class ApiError extends Error {
  constructor(code, { status = 0, retryAfter_s = 0, cause } = {}) {
    super(code, { cause });
    this.code = code;
    this.status = status;
    this.retryAfter_s = retryAfter_s;
  }
}

/** The ApiError that an answer which is not 2xx means. */
export async function errorOf(answer) {
  let code = `http_${answer.status}`;

  try {
    code = (await answer.json()).code ?? code;
  } catch {
    // Not a problem document: a proxy's page, perhaps. The status must do.
  }

  const retryAfter_s = Number(answer.headers.get('retry-after')) || 0;
  return new ApiError(code, { status: answer.status, retryAfter_s });
}

/**
 * A fetch with the person's token, once more with a fresh one after a 401.
 * auth: see auth.js. Returns the 2xx answer, else throws ApiError.
 */
export async function call(auth, path, options = {}) {
  for (const force of [false, true]) {
    const token = await auth.token({ force });
    let answer;

    try {
      answer = await fetch(path, {
        cache: 'no-store',
        ...options,
        headers: { authorization: `Bearer ${token}`, ...options.headers },
      });
    } catch (cause) {
      throw new ApiError('network', { cause });
    }

    if (answer.ok) {
      return answer;
    }

    if (answer.status !== 401 || force) {
      throw await errorOf(answer);
    }
  }

  throw new ApiError('invalid_token', { status: 401 });
}

/** POSTs without a body and returns the user document. */
export async function post(auth, path) {
  const answer = await call(auth, path, {
    method: 'POST', signal: AbortSignal.timeout(TIMEOUT_MS),
  });

  try {
    return await answer.json();
  } catch (cause) {
    throw new ApiError('bad_answer', { status: answer.status, cause });
  }
}
