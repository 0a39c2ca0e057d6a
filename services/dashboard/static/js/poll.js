// @ts-check
/**
 * Asking again every two seconds or so: never in a hidden tab, never twice at once, less often while
 * there is no answer. Tells the shell, by `connection` on the document, whether there is one.
 */
import { ApiError } from "./api.js";

const EVERY_MS = 2000;
const EVERY_MS_MAX = 15000;

/**
 * @param {{ok: boolean, message: string}} detail
 */
export function tellConnection(detail) {
  document.dispatchEvent(new CustomEvent("connection", { detail }));
}

/**
 * Calls `look` again and again. Returns what asks at once, and what stops it.
 *
 * @param {(signal: AbortSignal) => Promise<unknown>} look raises `ApiError` when there is no answer;
 *   false: it had nothing to ask, which says nothing of the connection
 * @param {{everyMs?: number}} [options]
 */
export function poll(look, { everyMs = EVERY_MS } = {}) {
  let wait = everyMs;
  let timer = 0;
  let busy = false;
  let again = false;
  const stopped = new AbortController();

  async function turn() {
    if (busy) {
      again = true;
      return;
    }
    clearTimeout(timer);
    busy = true;
    try {
      const asked = await look(stopped.signal);
      wait = everyMs;
      if (asked !== false) tellConnection({ ok: true, message: "" });
    } catch (error) {
      if (stopped.signal.aborted && !(error instanceof ApiError)) return;
      if (!(error instanceof ApiError)) throw error;
      const isAway = error.status === 0 || error.status >= 500;
      // A refusal is an answer: there is a connection.
      tellConnection(isAway ? { ok: false, message: error.message } : { ok: true, message: "" });
      wait = Math.min(wait * 2, EVERY_MS_MAX);
    } finally {
      busy = false;
      if (!stopped.signal.aborted && !document.hidden) timer = setTimeout(turn, again ? 0 : wait);
      again = false;
    }
  }

  const onVisible = () => {
    clearTimeout(timer);
    if (!document.hidden) void turn();
  };
  document.addEventListener("visibilitychange", onVisible);
  if (!document.hidden) timer = setTimeout(turn, everyMs);
  return {
    now: () => void turn(),
    stop: () => {
      stopped.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}
