// @ts-check
/** The whole history as a file: page by page, so that the page holds no more than one of them. */

import { ApiError } from "../api.js";
import { saveAs } from "./files.js";

/** @typedef {import("./loader.js").Store} Store */

/**
 * @param {Store} store
 * @param {AbortSignal} signal
 * @param {(text: string) => void} tell
 */
export async function downloadHistory(store, signal, tell) {
  const executionId = await store.sync();
  /** @type {Blob[]} */
  const parts = [new Blob(["[\n"])];
  /** @type {string | null} */
  let cursor = null;
  let done = 0;
  do {
    const page = await pageOf(store, executionId, cursor, signal);
    const text = page.events.map((event) => JSON.stringify(event)).join(",\n");
    // A Blob may live outside the page's memory; a string may not.
    if (text !== "") parts.push(new Blob([done > 0 ? ",\n" : "", text]));
    done += page.events.length;
    cursor = page.nextCursor;
    const percent = page.total > 0 ? Math.min(100, Math.round((done / page.total) * 100)) : 100;
    tell(`${percent} %`);
  } while (cursor !== null);
  parts.push(new Blob(["\n]\n"]));
  saveAs(new Blob(parts, { type: "application/json" }), `${store.rootId}.history.json`);
}

/**
 * A page of the execution that the download began with: two of them are no history.
 *
 * @param {Store} store
 * @param {string} executionId
 * @param {string | null} cursor
 * @param {AbortSignal} signal
 */
async function pageOf(store, executionId, cursor, signal) {
  try {
    return await store.wholePage(executionId, cursor, signal);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    throw new Error("this execution was replaced or purged meanwhile, and nothing was saved.", {
      cause: error,
    });
  }
}
