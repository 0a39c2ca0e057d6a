// @ts-check
/** The scheduler's management API, as the dashboard passes it on for the page's task hub. */

/** An answer that says no, or none at all (status 0). The message is the scheduler's own. */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number} status
   */
  constructor(code, message, status) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
  }
}

/**
 * @typedef {object} Answer
 * @property {number} status 304: what `etag` stands for has not changed, and `body` is null
 * @property {string | null} etag
 * @property {any} body
 */

/** The address of the API, such as `/hubs/default/api`. */
export function apiBase() {
  return document.body.dataset.api ?? "";
}

/**
 * Fetches, with a lost connection told as an `ApiError` like any other. An abort stays an abort.
 *
 * @param {string} url
 * @param {RequestInit} [options]
 */
export async function request(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new ApiError("UNAVAILABLE", "The dashboard cannot be reached.", 0);
  }
}

/**
 * What a refused response says.
 *
 * @param {Response} response
 */
export async function refusal(response) {
  let error;
  try {
    error = (await response.json()).error;
  } catch {
    error = null; // not JSON: something between us and the dashboard answered
  }
  const message = error?.message ?? `The answer was ${response.status} ${response.statusText}`;
  return new ApiError(error?.code ?? "UNKNOWN", message, response.status);
}

/**
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function answerOf(response) {
  const etag = response.headers.get("etag");
  if (response.status === 304) return { status: 304, etag, body: null };
  if (!response.ok) throw await refusal(response);
  const text = await response.text();
  return { status: response.status, etag, body: text === "" ? null : JSON.parse(text) };
}

/**
 * Reads. With the `etag` of an earlier answer the new one may be 304 without a body.
 *
 * @param {string} path below the API's address, such as `/orchestrations/x`; segments are encoded
 * @param {{etag?: string | null, signal?: AbortSignal}} [options]
 * @returns {Promise<Answer>}
 */
export async function getJson(path, { etag, signal } = {}) {
  const headers = new Headers({ accept: "application/json" });
  if (etag) headers.set("if-none-match", etag);
  // no-store: the browser's own cache would answer a 304 with the body, and hide the status.
  return answerOf(await request(apiBase() + path, { headers, signal, cache: "no-store" }));
}

/**
 * Sends a body; raises `ApiError` with the scheduler's text when it refuses.
 *
 * @param {"POST" | "DELETE"} method
 * @param {string} path below the API's address; segments are encoded
 * @param {unknown} [body]
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<Answer>}
 */
export async function sendJson(method, path, body, { signal } = {}) {
  const headers = new Headers({ accept: "application/json" });
  if (body !== undefined) headers.set("content-type", "application/json");
  const text = body === undefined ? undefined : JSON.stringify(body);
  return answerOf(await request(apiBase() + path, { method, headers, body: text, signal }));
}

/**
 * A path segment for an instance id, which may hold any printable character.
 *
 * @param {string} id
 */
export function segment(id) {
  return encodeURIComponent(id);
}
