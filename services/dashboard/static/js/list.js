// @ts-check
/**
 * The list of orchestrations: filters by address, rows kept up to date, new ones offered. What the
 * first sight of it does not need is loaded when it is used.
 */
import { bindFilters } from "./filters.js";
import { fetchPart, forgetPart } from "./part.js";
import { keepPicking, picked } from "./pick.js";
import { poll } from "./poll.js";

/** Where the way back from an instance's page leads. */
function rememberAddress() {
  sessionStorage.setItem(`list:${document.body.dataset.hub}`, location.pathname + location.search);
}

/**
 * @param {string} url
 * @param {{push?: boolean}} [options]
 */
async function go(url, options) {
  const soft = await import("./soft.js");
  await soft.go(url, options);
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
  const query = new URLSearchParams(ids.map((id) => ["id", id]));
  const url = `${location.pathname}?${query}`;
  const fresh = await fetchPart(url, signal);
  forgetPart();
  if (fresh) (await import("./merge.js")).mergeRows(fresh);
}

/** @param {AbortSignal} signal */
async function look(signal) {
  const url = location.href;
  const fresh = await fetchPart(url, signal);
  if (!fresh) return;
  const { merge } = await import("./merge.js");
  if (url !== location.href) return;
  const newestFirst = !new URLSearchParams(location.search).has("sort");
  const { added, lost } = merge(fresh, newestFirst);
  offer(added);
  if (lost.length > 0) await followLost(lost, signal);
}

/** Shows what there is now, rows that are gone included: the reader has asked for it. */
function refresh() {
  void go(location.href, { push: false });
}

/** @param {MouseEvent} event */
function onClick(event) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("#offer")) {
    refresh();
    return;
  }
  const link = target.closest("a");
  if (!link || !link.closest("main") || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const more = event.shiftKey ? link.dataset.more : undefined;
  if (link.pathname !== location.pathname || (event.shiftKey && !more)) return;
  event.preventDefault();
  void go(more ?? link.href);
}

poll(look);
bindFilters((url) => void go(url));
keepPicking();
rememberAddress();
document.addEventListener("click", onClick);
window.addEventListener("popstate", refresh);
document.addEventListener("softload", () => {
  forgetPart();
  rememberAddress();
});
document.addEventListener("pickchange", () => {
  const ids = picked();
  const bar = document.getElementById("bulk");
  if (ids.length === 0 && bar?.hidden) return;
  void import("./bulk.js").then(({ showBar }) => showBar(picked(), refresh));
});
