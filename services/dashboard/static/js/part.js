// @ts-check
/** Pages as our own server renders them: the changing part of this one, when it has changed. */
import { refusal, request } from "./api.js";
import { correctClock } from "./clock.js";

/**
 * A page, or a part of one, as our own server rendered it. Never for text from anywhere else.
 *
 * @param {string} text
 */
export function parsePage(text) {
  return new DOMParser().parseFromString(text, "text/html");
}

/** @type {{url: string, etag: string | null}} */
let last = { url: "", etag: null };

/** Has the next call answer in any case. */
export function forgetPart() {
  last = { url: "", etag: null };
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<Document | null>} null: it is as it was
 */
export async function fetchPart(url, signal) {
  const headers = new Headers({ "x-partial": "1" });
  if (last.etag && last.url === url) headers.set("if-none-match", last.etag);
  const response = await request(url, { headers, signal, cache: "no-store" });
  correctClock(response.headers.get("x-now"));
  if (response.status === 304) return null;
  if (!response.ok) throw await refusal(response);
  last = { url, etag: response.headers.get("etag") };
  return parsePage(await response.text());
}
