// @ts-check
/** Times and growing durations in the page: shown in the reader's zone, moved on every second. */
import { ZONE_KEY, formatDuration, formatTime, now, relativeTime, tellZone } from "./clock.js";

/**
 * @param {Element} element
 * @param {string} text
 */
function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Brings all times below `root` up to date. Call it for what was rendered by the server just now.
 *
 * @param {ParentNode} [root]
 */
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time")) {
    const absolute = formatTime(element.dateTime);
    if (element.dataset.full !== undefined) {
      show(element, absolute);
      continue;
    }
    show(element, relativeTime(element.dateTime));
    if (element.title !== absolute) element.title = absolute;
  }
  for (const element of root.querySelectorAll("[data-since]")) {
    const since = /** @type {HTMLElement} */ (element).dataset.since ?? "";
    show(element, formatDuration(now() - Date.parse(since)));
  }
}

/** Shows them now, every second while the page is seen, and when the zone is chosen anew. */
export function keepTimes() {
  showTimes();
  document.addEventListener("zonechange", () => showTimes());
  window.addEventListener("storage", ({ key }) => {
    if (key === ZONE_KEY || key === null) tellZone(); // chosen in another tab
  });
  setInterval(() => {
    if (!document.hidden) showTimes();
  }, 1000);
}
