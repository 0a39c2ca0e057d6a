// @ts-check
/** A page that came without its content, for the scheduler was away: asks for it until it is there. */
import { ApiError, request } from "./api.js";
import { parsePage } from "./part.js";
import { poll } from "./poll.js";
import { showTimes } from "./times.js";

const UNAVAILABLE = 503;

/** @param {Document} page */
function takeStyles(page) {
  for (const link of page.querySelectorAll('link[rel="stylesheet"]')) {
    const href = link.getAttribute("href");
    if (!document.querySelector(`link[rel="stylesheet"][href="${href}"]`)) {
      document.head.append(document.importNode(link, true));
    }
  }
}

/**
 * Puts the content in place, then starts the modules that belong to it.
 *
 * @param {Document} page
 */
async function take(page) {
  takeStyles(page);
  document.title = page.title;
  for (const id of ["main", "hubs"]) {
    const fresh = page.getElementById(id);
    if (fresh) document.getElementById(id)?.replaceWith(document.importNode(fresh, true));
  }
  showTimes();
  for (const script of page.querySelectorAll('script[type="module"]')) {
    await import(script.getAttribute("src") ?? "");
  }
}

/** Asks until the page is there. */
export function waitForPage() {
  const asking = poll(async (signal) => {
    const response = await request(location.href, { signal });
    const text = await response.text();
    if (response.status === UNAVAILABLE) {
      const told = parsePage(text).querySelector("#banner span")?.textContent;
      throw new ApiError("UNAVAILABLE", told ?? "The scheduler cannot be reached.", UNAVAILABLE);
    }
    asking.stop();
    await take(parsePage(text));
  });
}
