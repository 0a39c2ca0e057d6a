// @ts-check
/** The row of filters: what is chosen goes into the address, and times into the reader's zone. */
import { formatTime, zone } from "./clock.js";

const MINUTE_MS = 60_000;

/** @returns {HTMLFormElement | null} */
function form() {
  return /** @type {any} */ (document.getElementById("filters"));
}

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement | null} */ (document.getElementById(id));
}

/**
 * What a field for a local time shows for a time of the address.
 *
 * @param {string} text
 */
function toField(text) {
  const date = new Date(/[Zz]|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`);
  if (Number.isNaN(date.getTime())) return "";
  const shift = zone() === "utc" ? 0 : date.getTimezoneOffset() * MINUTE_MS;
  return new Date(date.getTime() - shift).toISOString().slice(0, 19);
}

/** @param {string} text */
export function fromField(text) {
  if (text === "") return "";
  const date = new Date(zone() === "utc" ? `${text}Z` : text);
  return date.toISOString().replace(".000Z", "Z");
}

function showRange() {
  for (const id of ["range-from", "range-to"]) {
    const field = input(id);
    if (field) field.value = toField(field.dataset.value ?? "");
  }
}

/** The server writes "Created until 2026-11-25 18:00:00 UTC", for it knows of no other zone. */
function showChips() {
  for (const label of document.querySelectorAll("#chips .cut")) {
    const chip = /** @type {HTMLElement} */ (label);
    chip.dataset.label ??= chip.textContent ?? "";
    const [, words, time] = /^(Created (?:from|until) )(.+) UTC$/.exec(chip.dataset.label) ?? [];
    const shown = time && formatTime(`${time.replace(" ", "T")}Z`);
    if (shown) chip.textContent = words + shown.replace(/\.000(?= UTC$|$)/, "");
  }
}

function showAll() {
  showRange();
  showChips();
}

/** @param {HTMLFormElement} filters */
function addressOf(filters) {
  const data = new FormData(filters);
  if (data.get("from") === "custom") {
    data.set("from", fromField(input("range-from")?.value ?? ""));
    data.set("to", fromField(input("range-to")?.value ?? ""));
  }
  const given = [...data].filter(([, value]) => value !== "").map(([name, value]) => [name, String(value)]);
  const query = new URLSearchParams(given).toString();
  return filters.action + (query && `?${query}`);
}

/** @param {(url: string) => void} go */
export function bindFilters(go) {
  document.addEventListener("change", (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    const filters = form();
    if (!filters || field.form !== filters || field.id.startsWith("range-")) return;
    const range = document.getElementById("range");
    if (range && field.name === "from") range.hidden = field.value !== "custom";
    if (field.value === "custom") input("range-from")?.focus();
    else go(addressOf(filters));
  });
  document.addEventListener("submit", (event) => {
    const filters = form();
    if (event.target !== filters || !filters) return;
    event.preventDefault();
    go(addressOf(filters));
  });
  document.addEventListener("toggle", (event) => {
    const menu = /** @type {HTMLDetailsElement} */ (event.target);
    if (menu.id === "saved" && menu.open) void import("./saved.js").then(({ showViews }) => showViews());
  }, true);
  document.addEventListener("softload", showAll);
  document.addEventListener("zonechange", showAll);
  showAll();
}
