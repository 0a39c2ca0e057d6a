// @ts-check
/** Which rows are selected, and moving among rows by keyboard. Tells of changes by `pickchange`. */

/** @type {HTMLTableRowElement | null} */
let anchor = null;

/** @returns {HTMLTableRowElement[]} */
function rows() {
  return [...document.querySelectorAll("tr[data-id]")].map((row) => /** @type {any} */ (row));
}

/** @param {Element} row */
function box(row) {
  return /** @type {HTMLInputElement | null} */ (row.querySelector(".pick input"));
}

/** The ids of the selected rows, in their order. */
export function picked() {
  return rows()
    .filter((row) => box(row)?.checked)
    .map((row) => row.dataset.id ?? "");
}

function tell() {
  const all = rows();
  let count = 0;
  for (const row of all) {
    const isPicked = box(row)?.checked ?? false;
    row.classList.toggle("picked", isPicked);
    if (isPicked) count += 1;
  }
  const whole = /** @type {HTMLInputElement | null} */ (document.getElementById("pick-all"));
  if (whole) {
    whole.checked = count > 0 && count === all.length;
    whole.indeterminate = count > 0 && count < all.length;
  }
  document.dispatchEvent(new CustomEvent("pickchange", { detail: { count } }));
}

/** @param {boolean} on */
export function pickAll(on) {
  for (const row of rows()) {
    const input = box(row);
    if (input) input.checked = on;
  }
  anchor = null;
  tell();
}

/**
 * @param {HTMLTableRowElement} row
 * @param {boolean} throughAnchor
 */
function onPick(row, throughAnchor) {
  const all = rows();
  if (throughAnchor && anchor?.isConnected) {
    const [from, to] = [all.indexOf(anchor), all.indexOf(row)].sort((a, b) => a - b);
    for (const one of all.slice(from, to + 1)) {
      const input = box(one);
      if (input) input.checked = box(row)?.checked ?? false;
    }
  }
  anchor = row;
  tell();
}

/** @param {MouseEvent} event */
function onClick(event) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.id === "pick-all") pickAll(input.checked);
  const row = input.matches(".pick input") ? input.closest("tr") : null;
  if (row?.dataset.id !== undefined) onPick(row, event.shiftKey);
}

/** @param {number} step */
function move(step) {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step;
  const link = /** @type {HTMLElement | null | undefined} */ (all[next]?.querySelector("a.id"));
  link?.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = /** @type {Element} */ (event.target);
  if (target.closest("textarea, select, details, input:not([type=checkbox])")) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  // The arrows scroll, unless the reader is in the table already.
  if (step && (event.key.length === 1 || target.closest("#rows"))) {
    event.preventDefault();
    move(step);
  } else if (event.key === "x") {
    const row = /** @type {HTMLTableRowElement | null} */ (target.closest("#rows tr"));
    const input = row && box(row);
    if (!row || !input) return;
    input.checked = !input.checked;
    onPick(row, false);
  } else if (event.key === "Escape" && picked().length > 0) {
    pickAll(false);
  }
}

export function keepPicking() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("softload", tell);
  tell(); // a browser that goes back may tick again what was ticked
}
