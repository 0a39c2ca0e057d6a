// @ts-check
/** Brings the list up to date: known rows in place; new ones are only counted. */
import { morph } from "./morph.js";
import { showTimes } from "./times.js";

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
export function mergeRows(fresh) {
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
export function markGone(ids, fresh) {
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
export function merge(fresh, newestFirst) {
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
