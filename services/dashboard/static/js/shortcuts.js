// @ts-check
/** The dialog that lists the keyboard's shortcuts. */
import { fragment, html } from "./html.js";

const SHORTCUTS = [
  ["/", "Open by instance id"],
  ["j", "Next row (the down arrow too, within the table)"],
  ["k", "Previous row (the up arrow too)"],
  ["Enter", "Open the row"],
  ["x", "Select the row"],
  ["Shift and click", "Select all rows up to this one; on a status: together with others"],
  ["Esc", "Close a menu or a dialog; select nothing"],
  ["?", "This list"],
];

export function showShortcuts() {
  const made = fragment(html`<dialog aria-labelledby="shortcuts-title"><form method="dialog">
    <h2 id="shortcuts-title">Keyboard shortcuts</h2>
    <dl class="shortcuts">${SHORTCUTS.map(([key, text]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl>
    <div class="buttons"><button class="button primary">Close</button></div>
  </form></dialog>`);
  const dialog = /** @type {HTMLDialogElement} */ (made.firstElementChild);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}
