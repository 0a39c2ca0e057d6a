// @ts-check
/**
 * The list of orchestrations: filters by address, rows kept up to date, new ones offered. What the
 * first sight of it does not need is loaded when it is used.
 */
import { ApiError } from "./api.js";
import { bindFilters } from "./filters.js";
import { keepPicking, picked } from "./pick.js";
import { poll } from "./poll.js";

/** Where the way back from an instance's page leads. */
function rememberAddress() {
  sessionStorage.setItem(`list:${document.body.dataset.hub}`, location.pathname + location.search);
}

/** The move to another address that is under way, or the last one. */
let moving = Promise.resolve();
let isMoving = false;

/**
 * @param {string} url
 * @param {{push?: boolean}} [options]
 */
async function go(url, options) {
  isMoving = true;
  const move = import("./soft.js").then((soft) => soft.go(url, options));
  moving = move;
  await move;
  if (moving === move) isMoving = false;
}

/**
 * What a link is called, without what changes: counts and arrows.
 *
 * @param {Element} link
 */
function nameOf(link) {
  return (link.textContent ?? "").replace(/[\d,↑↓]/g, "").trim();
}

/**
 * The link that a fresh page has in the place of one that was clicked before it came: its address
 * has what the earlier click has asked for, too.
 *
 * @param {HTMLAnchorElement} link
 * @returns {Promise<HTMLAnchorElement | undefined>}
 */
async function upToDate(link) {
  const holder = link.closest("[id]")?.id ?? "";
  await moving;
  if (link.isConnected) return link;
  const links = document.getElementById(holder)?.querySelectorAll("a") ?? [];
  return [...links].find((other) => nameOf(other) === nameOf(link));
}

/** Shows what there is now, rows that are gone included: the reader has asked for it. */
function refresh() {
  void go(location.href, { push: false });
}

/** @param {MouseEvent} event */
async function onClick(event) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("#offer")) {
    refresh();
    return;
  }
  const link = target.closest("a");
  if (!link || !link.closest("main") || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const withMore = event.shiftKey;
  if (link.pathname !== location.pathname || (withMore && !link.dataset.more)) return;
  event.preventDefault();
  const meant = isMoving ? await upToDate(link) : link;
  const address = withMore ? meant?.dataset.more : meant?.href;
  if (address) await go(address);
}

/** What polling needs; a module that cannot be fetched means that nobody answers. */
async function follower() {
  try {
    return await import("./follow.js");
  } catch {
    const message = "The dashboard cannot be reached. If this stays, load the page again.";
    throw new ApiError("UNAVAILABLE", message, 0);
  }
}

// Soon after the first sight, and not at the first poll: then it may be too late to fetch anything.
setTimeout(() => void follower().catch(() => {}), 1000);
poll(async (signal) => (await follower()).follow(signal));
bindFilters((url) => void go(url));
keepPicking();
rememberAddress();
document.addEventListener("click", (event) => void onClick(event));
window.addEventListener("popstate", refresh);
document.addEventListener("softload", rememberAddress);
document.addEventListener("pickchange", () => {
  const ids = picked();
  const bar = document.getElementById("bulk");
  if (ids.length === 0 && bar?.hidden) return;
  void import("./bulk.js").then(({ showBar }) => showBar(picked(), refresh));
});
