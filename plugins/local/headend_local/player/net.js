/** Requests to the server, each with an end. */

/** A request failed; `status` is the HTTP status, or 0 where there was no answer. */
export class LoadError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/**
 * Loads a URL.
 *
 * @param {string} url
 * @param {{as: "text"|"json"|"bytes", seconds: number, signal: ?AbortSignal}} how what to make of
 *   the answer, how long to wait for all of it, and what else ends the request
 * @throws {LoadError} also when `signal` ended it
 */
export async function load(url, { as, seconds, signal = null }) {
  const ender = new AbortController();
  const end = () => ender.abort();
  const timer = setTimeout(end, seconds * 1000);
  signal?.addEventListener("abort", end);
  try {
    if (signal?.aborted) throw new LoadError("no longer wanted");
    const answer = await fetch(url, { signal: ender.signal, cache: "no-store" });
    if (!answer.ok) throw new LoadError(`the server answers ${answer.status}`, answer.status);
    if (as === "bytes") return new Uint8Array(await answer.arrayBuffer());
    return await (as === "json" ? answer.json() : answer.text());
  } catch (error) {
    throw error instanceof LoadError ? error : new LoadError(error.message);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** Waits, at most until `signal` ends it. */
export function sleep(seconds, signal = null) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, seconds * 1000);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

/** Waiting times that double from one failure to the next and are a little different for everyone. */
export class Backoff {
  #failures = 0;

  /** Returns how many seconds to wait after another failure. */
  next() {
    const longest = Math.min(0.5 * 2 ** this.#failures, 4);
    this.#failures += 1;
    return longest * (0.75 + Math.random() / 4);
  }

  /** Notes that it works again. */
  reset() {
    this.#failures = 0;
  }
}
