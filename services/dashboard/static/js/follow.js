// @ts-check
/** Keeps the list up to date: known rows in place; new ones are only counted, and offered. */
import { morph } from "./morph.js";
import { fetchPart, forgetPart } from "./part.js";
import { showTimes } from "./times.js";

/** So many ids fit into an address, however long they are. */
const PIECE = 50;

/**
 * @param {Document} fresh
 * @param {string} id
 */
function takeOver(fresh, id) {
  const shown = document.getElementById(id);
  const other = fresh.getElementById(id);
  if (shown && other) morph(shown, other);
}

/** @param {ParentNode} root */
function rowsOf(root) {
  const rows = [...root.querySelectorAll("#rows tr")];
  return new Map(rows.map((row) => [row.getAttribute("data-id") ?? "", row]));
}

/**
 * Updates the rows that both have.
 *
 * @param {Document} fresh
 */
function mergeRows(fresh) {
  const others = rowsOf(fresh);
  for (const [id, row] of rowsOf(document)) {
    const other = others.get(id);
    if (other) morph(row, other);
  }
  showTimes();
}

/**
 * Rows that were asked for and have not come: somebody has purged them.
 *
 * @param {string[]} ids
 * @param {Document} fresh
 */
function markGone(ids, fresh) {
  const shown = rowsOf(document);
  const others = rowsOf(fresh);
  for (const id of ids) {
    const row = others.has(id) ? undefined : shown.get(id);
    if (!row) continue;
    row.setAttribute("data-status", "purged");
    const status = document.createElement("span");
    status.className = "muted";
    status.textContent = "Purged";
    row.querySelector(".status")?.replaceWith(status);
    for (const growing of row.querySelectorAll("[data-since]")) growing.removeAttribute("data-since");
  }
}

/**
 * Takes over all but new rows.
 *
 * @param {Document} fresh
 * @param {boolean} newestFirst then what stands behind all known rows has only moved up a page
 * @returns {{added: number, lost: string[]}} how many rows are new, and which alive ones have left
 */
function merge(fresh, newestFirst) {
  takeOver(fresh, "counts");
  const shown = rowsOf(document);
  if (shown.size === 0) {
    takeOver(fresh, "list"); // nobody reads rows that are not there
    showTimes();
    return { added: 0, lost: [] };
  }
  takeOver(fresh, "pager");
  mergeRows(fresh);
  const others = rowsOf(fresh);
  const order = [...others.keys()];
  const end = newestFirst ? order.map((id) => shown.has(id)).lastIndexOf(true) : -1;
  const added = (end < 0 ? order : order.slice(0, end)).filter((id) => !shown.has(id)).length;
  const lost = [...shown]
    .filter(([id, row]) => !others.has(id) && /^(running|pending|suspended)$/.test(row.getAttribute("data-status") ?? ""))
    .map(([id]) => id);
  return { added, lost };
}

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
