// @ts-check
/** Short messages in the corner, read out politely. What a reader must act on is no toast. */
import { fragment, html, icon } from "./html.js";

const SHOWN_MS = 6000;
const SHOWN_MS_BAD = 15000;
const LATER_KEY = "toast";

/**
 * @param {string} text
 * @param {{bad?: boolean}} [options]
 */
export function toast(text, { bad = false } = {}) {
  const made = fragment(html`<div class="toast ${bad && "bad"}">
    <span class="grow">${text}</span>
    <button class="button square plain" aria-label="Close this message">${icon("close")}</button>
  </div>`).firstElementChild;
  if (!made) return;
  made.querySelector("button")?.addEventListener("click", () => made.remove());
  document.getElementById("toasts")?.append(made);
  setTimeout(() => made.remove(), bad ? SHOWN_MS_BAD : SHOWN_MS);
}

/**
 * A message for the page that comes next.
 *
 * @param {string} text
 */
export function toastLater(text) {
  sessionStorage.setItem(LATER_KEY, text);
}

/** Shows what the page before has left. */
export function showLateToast() {
  const text = sessionStorage.getItem(LATER_KEY);
  sessionStorage.removeItem(LATER_KEY);
  if (text) toast(text);
}
