// @ts-check
/** Times and durations as people read them, on the scheduler's clock, in UTC or local time. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
export const ZONE_KEY = "zone";

/** How far the server's clock is ahead of this machine's, in milliseconds. */
let ahead = 0;

/**
 * Corrects the clock by what a page (`data-now`) or an answer (`x-now`) says, to the millisecond.
 *
 * @param {string | null | undefined} serverTime
 */
export function correctClock(serverTime) {
  const time = Date.parse(serverTime ?? "");
  if (!Number.isNaN(time)) ahead = time - Date.now();
}
correctClock(document.body.dataset.now);

/** The server's time now, in milliseconds since 1970. */
export function now() {
  return Date.now() + ahead;
}

/** @returns {"utc" | "local"} */
export function zone() {
  return localStorage.getItem(ZONE_KEY) === "utc" ? "utc" : "local";
}

/**
 * Chooses, for all pages from now on; this page is told by `zonechange` on the document.
 *
 * @param {"utc" | "local"} chosen
 */
export function setZone(chosen) {
  localStorage.setItem(ZONE_KEY, chosen);
  tellZone();
}

/** Tells this page which zone is chosen now. */
export function tellZone() {
  document.dispatchEvent(new CustomEvent("zonechange", { detail: { zone: zone() } }));
}

/**
 * "314 ms", "4.77 s", "1 m 0 s", "2 h 5 m", "3 d 4 h".
 *
 * @param {number} ms
 */
export function formatDuration(ms) {
  const rest = Math.max(0, ms);
  if (rest < SECOND) return `${Math.floor(rest)} ms`;
  if (rest < MINUTE) return `${(Math.floor(rest / 10) / 100).toFixed(2)} s`;
  if (rest < HOUR) return `${Math.floor(rest / MINUTE)} m ${Math.floor((rest % MINUTE) / SECOND)} s`;
  if (rest < DAY) return `${Math.floor(rest / HOUR)} h ${Math.floor((rest % HOUR) / MINUTE)} m`;
  return `${Math.floor(rest / DAY)} d ${Math.floor((rest % DAY) / HOUR)} h`;
}

/** @param {number} ms */
function inOneUnit(ms) {
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** Clocks differ a little: what has just happened is not to happen yet. */
const SOON = 5 * SECOND;

/**
 * "just now", "12 s ago", "3 h ago", "in 5 m".
 *
 * @param {string | number} time
 * @param {number} [at] the present, for tests
 */
export function relativeTime(time, at = now()) {
  const past = at - new Date(time).getTime();
  if (past < SECOND && past > -SOON) return "just now";
  return past > 0 ? `${inOneUnit(past)} ago` : `in ${inOneUnit(-past)}`;
}

/**
 * "2026-11-25 18:44:45.973", followed by "UTC" where it is that.
 *
 * @param {string | number} time
 * @param {{utc?: boolean}} [options] without `utc`: as the reader has chosen
 */
export function formatTime(time, { utc = zone() === "utc" } = {}) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const shown = utc ? date : new Date(date.getTime() - date.getTimezoneOffset() * MINUTE);
  const text = shown.toISOString().replace("T", " ").slice(0, -1);
  return utc ? `${text} UTC` : text;
}
