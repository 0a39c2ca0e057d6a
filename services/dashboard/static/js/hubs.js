// @ts-check
/** The menu of task hubs: what it says of each is fetched anew when it is opened. */
import { morph } from "./morph.js";
import { parsePage } from "./part.js";

const SHEET = "#hubs .sheet";
const FAILED = 500;

/** Brings the open menu up to date. */
export async function showHubs() {
  let text = "";
  try {
    const response = await fetch(location.href, { cache: "no-store" });
    if (response.status < FAILED) text = await response.text();
  } catch {
    return; // what was known stays, and the banner tells of an outage
  }
  const shown = document.querySelector(SHEET);
  const fresh = parsePage(text).querySelector(SHEET);
  if (shown && fresh) morph(shown, fresh);
}
