// @ts-check
/** Moves between addresses of one page without loading it anew: the focus stays where it was. */
import { parsePage } from "./part.js";
import { showTimes } from "./times.js";

const FOCUSABLE = "a[href], button, input, select, summary";

/** The latest of several moves is the one that counts. */
let moves = 0;

/** Where the focus is: the nearest element with an id, and how far in. */
function focusPlace() {
  const focused = document.activeElement;
  const holder = focused?.closest("#main [id]");
  if (!focused || !holder) return null;
  const at = holder === focused ? -1 : [...holder.querySelectorAll(FOCUSABLE)].indexOf(focused);
  return { id: holder.id, at };
}

/** @param {{id: string, at: number} | null} place */
function focusAgain(place) {
  if (place === null) return;
  const holder = document.getElementById(place.id);
  const found = place.at < 0 ? holder : holder?.querySelectorAll(FOCUSABLE)[place.at];
  const target = /** @type {HTMLElement | null} */ (found ?? document.getElementById("main"));
  target?.focus({ preventScroll: true });
}

/**
 * Shows another address of this page. An answer that is no such page is loaded in the usual way.
 *
 * @param {string} url
 * @param {{push?: boolean}} [options] without `push` the browser is there already (Back)
 */
export async function go(url, { push = true } = {}) {
  const move = ++moves;
  let page = null;
  try {
    const response = await fetch(url);
    if (response.ok) page = parsePage(await response.text());
  } catch {
    page = null; // the browser's own page tells more than we could
  }
  if (move !== moves) return;
  const fresh = page?.getElementById("main");
  if (!page || !fresh) {
    location.assign(url);
    return;
  }
  const place = focusPlace();
  if (push) history.pushState(null, "", url);
  document.getElementById("main")?.replaceChildren(...fresh.childNodes);
  document.title = page.title;
  showTimes();
  focusAgain(place);
  if (push && place?.id === "pager") window.scrollTo(0, 0);
  document.dispatchEvent(new CustomEvent("softload"));
}
