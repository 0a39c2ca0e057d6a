// @ts-check
/** What every page does: theme and zone, menus, copying, shortcuts, the banner, times that move. */
import { setZone, zone } from "./clock.js";
import { keepTimes } from "./times.js";

/** @param {string} id */
const byId = (id) => document.getElementById(id);

function bindDisplay() {
  const display = byId("display");
  const showChosen = () => {
    const theme = document.documentElement.dataset.theme ?? "system";
    for (const input of display?.querySelectorAll("input") ?? []) {
      input.checked = input.value === (input.name === "theme" ? theme : zone());
    }
  };
  showChosen();
  window.addEventListener("storage", showChosen); // chosen in another tab
  display?.addEventListener("change", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (input.name === "zone") setZone(input.value === "utc" ? "utc" : "local");
    else document.dispatchEvent(new CustomEvent("themechoice", { detail: input.value }));
  });
  byId("show-shortcuts")?.addEventListener("click", () => void showShortcuts());
}

/** A menu closes when the reader is elsewhere, and gives the focus back on Escape. */
function bindMenus() {
  document.addEventListener("click", (event) => {
    const target = /** @type {Node} */ (event.target);
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(target)) menu.removeAttribute("open");
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.removeAttribute("open");
    menu.querySelector("summary")?.focus();
  });
  document.addEventListener("toggle", (event) => {
    const menu = /** @type {HTMLDetailsElement} */ (event.target);
    if (menu.id === "hubs" && menu.open) void import("./hubs.js").then(({ showHubs }) => showHubs());
  }, true);
}

/** @param {Element} button */
async function copy(button) {
  const [{ toast }, { copyText }] = await Promise.all([import("./toasts.js"), import("./clipboard.js")]);
  const { copy: text, copyFrom } = /** @type {HTMLElement} */ (button).dataset;
  if (await copyText(text ?? byId(copyFrom ?? "")?.textContent ?? "")) toast("Copied");
  else toast("The browser does not let this page copy", { bad: true });
}

/** @param {MouseEvent} event */
function onClick(event) {
  const target = /** @type {Element} */ (event.target);
  const copied = target.closest("[data-copy], [data-copy-from]");
  if (copied) void copy(copied);
  if (target.closest("[data-start]")) void import("./start.js").then(({ startNew }) => startNew());
}

async function showShortcuts() {
  byId("display")?.removeAttribute("open");
  const { showShortcuts: show } = await import("./shortcuts.js");
  show();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (/** @type {Element} */ (event.target).closest("input, textarea, select")) return;
  if (event.key === "/") {
    event.preventDefault();
    byId("open-by-id")?.focus();
  } else if (event.key === "?") {
    event.preventDefault();
    void showShortcuts();
  }
}

function bindBanner() {
  document.addEventListener("connection", (event) => {
    const { ok, message } = /** @type {CustomEvent} */ (event).detail;
    const banner = byId("banner");
    if (!banner || (ok && banner.hidden)) return;
    banner.hidden = ok;
    const text = banner.querySelector("span");
    if (text && text.textContent !== message) text.textContent = message;
  });
}

bindDisplay();
bindMenus();
bindBanner();
document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
keepTimes();
if (sessionStorage.getItem("toast")) void import("./toasts.js").then(({ showLateToast }) => showLateToast());
if (byId("main")?.dataset.cold !== undefined) {
  void import("./cold.js").then(({ waitForPage }) => waitForPage());
}
