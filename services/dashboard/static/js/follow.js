// @ts-check
/** Keeps the rows of the list up to date, and offers new ones. */
import { markGone, merge, mergeRows } from "./merge.js";
import { fetchPart, forgetPart } from "./part.js";

/** So many ids fit into an address, however long they are. */
const PIECE = 50;

/** @param {number} added */
function offer(added) {
  const button = document.getElementById("offer");
  if (!button) return;
  button.hidden = added === 0;
  const text = `${added} new`;
  if (added > 0 && button.textContent !== text) button.textContent = text;
}

/**
 * Rows that are shown, alive, and no longer on the page that would be shown now.
 *
 * @param {string[]} ids
 * @param {AbortSignal} signal
 */
async function followLost(ids, signal) {
  try {
    for (let at = 0; at < ids.length; at += PIECE) {
      const piece = ids.slice(at, at + PIECE);
      forgetPart();
      const query = new URLSearchParams(piece.map((id) => ["id", id]));
      const fresh = await fetchPart(`${location.pathname}?${query}`, signal);
      if (!fresh) continue;
      mergeRows(fresh);
      markGone(piece, fresh);
    }
  } finally {
    forgetPart();
  }
}

/**
 * Looks once.
 *
 * @param {AbortSignal} signal
 */
export async function follow(signal) {
  const url = location.href;
  const fresh = await fetchPart(url, signal);
  if (!fresh || url !== location.href) return;
  const newestFirst = !new URLSearchParams(location.search).has("sort");
  const { added, lost } = merge(fresh, newestFirst);
  offer(added);
  if (lost.length > 0) await followLost(lost, signal);
}

// A page that was fetched whole is newer than the part that is known.
document.addEventListener("softload", forgetPart);
