// @ts-check
/** Time to x and back, for a view that is zoomed and panned within bounds. No DOM. */

/**
 * @typedef {object} View what can be seen, in milliseconds since 1970
 * @property {number} start
 * @property {number} end
 *
 * @typedef {object} Tick
 * @property {number} time
 * @property {string} label relative to the origin
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Steps that people count in. Below a second, and above a day, 1, 2 and 5 times a power of ten. */
const STEPS = [1, 2, 5, 10, 15, 30]
  .map((count) => count * SECOND)
  .concat([1, 2, 5, 10, 15, 30].map((count) => count * MINUTE))
  .concat([1, 2, 3, 6, 12].map((count) => count * HOUR));
/** The closest look, in milliseconds: timestamps have microseconds. */
export const SPAN_MIN = 0.1;

/**
 * @param {View} view
 * @param {number} time
 * @param {number} width
 */
export function xOf(view, time, width) {
  return ((time - view.start) / (view.end - view.start)) * width;
}

/**
 * @param {View} view
 * @param {number} x
 * @param {number} width
 */
export function timeAt(view, x, width) {
  return view.start + (x / width) * (view.end - view.start);
}

/**
 * The least step of ticks that keeps `gap` pixels between them.
 *
 * @param {number} span
 * @param {number} width
 * @param {number} gap
 */
export function tickStep(span, width, gap) {
  const least = (span * gap) / Math.max(1, width);
  const counted = least < SECOND ? undefined : STEPS.find((step) => step >= least);
  if (counted !== undefined) return counted;
  const unit = least < SECOND ? 1 : DAY;
  const power = 10 ** Math.floor(Math.log10(least / unit)) * unit;
  return (
    [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999) ?? least
  );
}

/**
 * @param {View} view
 * @param {number} origin what labels count from
 * @param {number} width in pixels
 * @param {number} [gap]
 * @returns {Tick[]}
 */
export function ticks(view, origin, width, gap = 96) {
  const step = tickStep(view.end - view.start, width, gap);
  const first = Math.ceil((view.start - origin) / step - 1e-9);
  const last = Math.floor((view.end - origin) / step + 1e-9);
  const found = [];
  for (let at = first; at <= last && found.length < 200; at += 1) {
    found.push({ time: origin + at * step, label: tickLabel(at * step, step) });
  }
  return found;
}

/**
 * "+1.50 s": with as many digits as neighbours need to differ.
 *
 * @param {number} ms
 * @param {number} step
 */
export function tickLabel(ms, step) {
  if (Math.abs(ms) < step / 2) return "0";
  const sign = ms < 0 ? "−" : "+";
  return sign + size(Math.abs(ms), step);
}

/**
 * @param {number} ms
 * @param {number} step
 */
function size(ms, step) {
  if (ms < SECOND && step < SECOND) return `${ms.toFixed(digits(step))} ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(digits(step / SECOND))} s`;
  const seconds = ((ms % MINUTE) / SECOND).toFixed(digits(step / SECOND));
  if (ms < HOUR) {
    return step < MINUTE || Number(seconds) > 0
      ? `${Math.floor(ms / MINUTE)} m ${seconds} s`
      : `${Math.floor(ms / MINUTE)} m`;
  }
  const minutes = Math.floor((ms % HOUR) / MINUTE);
  const tail = step < MINUTE ? ` ${seconds} s` : "";
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h${minutes || tail ? ` ${minutes} m` : ""}${tail}`;
  const hours = Math.floor((ms % DAY) / HOUR);
  const rest = step < HOUR ? ` ${minutes} m${tail}` : "";
  return `${Math.floor(ms / DAY)} d${hours || rest ? ` ${hours} h` : ""}${rest}`;
}

/** @param {number} step */
function digits(step) {
  return step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
}

/**
 * The view within its bounds, no wider than they are.
 *
 * @param {View} view
 * @param {View} bounds
 * @returns {View}
 */
export function clamp(view, bounds) {
  const whole = bounds.end - bounds.start;
  const span = Math.min(whole, Math.max(Math.min(SPAN_MIN, whole), view.end - view.start));
  const start = Math.min(Math.max(view.start, bounds.start), bounds.end - span);
  return { start, end: start + span };
}

/**
 * @param {View} view
 * @param {View} bounds
 * @param {number} factor above 1 comes closer
 * @param {number} time what stays in its place
 */
export function zoom(view, bounds, factor, time) {
  const share = (time - view.start) / (view.end - view.start);
  const whole = bounds.end - bounds.start;
  const span = Math.max(Math.min(SPAN_MIN, whole), (view.end - view.start) / factor);
  return clamp({ start: time - share * span, end: time + (1 - share) * span }, bounds);
}

/**
 * @param {View} view
 * @param {View} bounds
 * @param {number} by milliseconds
 */
export function pan(view, bounds, by) {
  return clamp({ start: view.start + by, end: view.end + by }, bounds);
}

/** What the label behind the last bar needs, in pixels. */
const LABEL_ROOM = 80;

/**
 * Bounds around a range, with room behind it for the last duration.
 *
 * @param {number} start
 * @param {number} end
 * @param {number} width in pixels
 * @returns {View}
 */
export function boundsOf(start, end, width) {
  const span = Math.max(1, end - start);
  return { start, end: start + span * (width / Math.max(width * 0.6, width - LABEL_ROOM)) };
}
