// @ts-check
/** The right half of a timeline's row: bars placed by time, and the duration beside them. */

import { now } from "../clock.js";
import { el } from "./element.js";
import { stateOfStatus } from "./looks.js";
import { xOf } from "./scale.js";
import { beginOf, durationText, isMoment, lengthOf } from "./step_facts.js";

/**
 * @typedef {import("./scale.js").View} View
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").Segment} Segment
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./loader.js").Loaded} Loaded
 *
 * @typedef {object} Bar
 * @property {HTMLElement} element
 * @property {number} start
 * @property {number | null} end null: it grows
 *
 * @typedef {object} Track
 * @property {HTMLElement} element
 * @property {boolean} grows
 * @property {(view: View, width: number) => void} place
 */

const BAR_MIN = 3;
const GAP = 6;
const FAR = 200000; // browsers round larger coordinates

const canvas = document.createElement("canvas").getContext("2d");
/** @type {Map<string, number>} */
const widths = new Map();

/** How wide a text of the smallest size is. @param {string} text */
export function textWidth(text) {
  const known = widths.get(text);
  if (known !== undefined) return known;
  if (canvas === null) return text.length * 7;
  canvas.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const width = Math.ceil(canvas.measureText(text).width) + 1;
  if (widths.size > 5000) widths.clear();
  widths.set(text, width);
  return width;
}

/**
 * @param {Row} row
 * @param {Loaded | undefined} branch of the instance, for the row of one
 * @returns {Track}
 */
export function makeTrack(row, branch) {
  const bars = row.step ? barsOf(row.step) : instanceBars(branch);
  const begin = (branch && beginOf(branch)) ?? 0;
  const span = row.step ?? { start: begin, end: branch?.model?.end ?? null };
  const hasLabel = bars.length > 0 && !(row.step && isMoment(row.step));
  const isOver = bars.some((bar) => bar.element.classList.contains("bar-due"));
  const label = el("span", { class: `tl-duration${isOver ? " is-over" : ""}` });
  const element = el("div", { class: "tl-track", role: "gridcell" });
  element.append(...bars.map((bar) => bar.element));
  if (hasLabel) element.append(label);
  const grows = bars.some((bar) => bar.end === null);
  return {
    element,
    grows,
    place(view, width) {
      for (const bar of bars) placeBar(bar, view, width);
      if (hasLabel) placeLabel(label, durationText(lengthOf(span)), span, view, width);
    },
  };
}

/** @param {Loaded | undefined} branch @returns {Bar[]} */
function instanceBars(branch) {
  const begin = branch ? beginOf(branch) : null;
  if (!branch || begin === null) return [];
  const className = `bar-instance is-${stateOfStatus(branch.status)}`;
  return [bar(className, begin, branch.model?.end ?? null)];
}

/** @param {Step} step @returns {Bar[]} */
function barsOf(step) {
  if (isMoment(step)) return [bar(`bar-moment bar-${step.kind}`, step.start, step.start)];
  /** @type {Bar[]} */
  const bars = [];
  const { due, end, start } = step.segments[step.segments.length - 1];
  if (end === null && due !== null) bars.push(bar("bar-due", start, due));
  for (const segment of step.segments) {
    const kind = segment.kind === "attempt" ? step.kind : segment.kind;
    bars.push(bar(`bar-${kind} is-${segment.state}`, segment.start, segment.end));
  }
  return bars;
}

/**
 * @param {string} className
 * @param {number} start
 * @param {number | null} end
 * @returns {Bar}
 */
function bar(className, start, end) {
  return { element: el("span", { class: `bar-shape ${className}` }), start, end };
}

/** @param {Bar} bar @param {View} view @param {number} width */
function placeBar({ element, start, end }, view, width) {
  const left = Math.max(-FAR, xOf(view, start, width));
  const right = Math.min(FAR, xOf(view, end ?? now(), width));
  const isOut = right < -BAR_MIN || left > width;
  element.style.display = isOut ? "none" : "";
  if (isOut) return;
  element.style.left = `${left.toFixed(1)}px`;
  if (!element.classList.contains("bar-moment")) {
    element.style.width = `${Math.max(BAR_MIN, right - left).toFixed(1)}px`;
  }
}

/**
 * Right of the bar, else left of it, else on its end.
 *
 * @param {HTMLElement} label
 * @param {string} text
 * @param {{start: number, end: number | null}} span
 * @param {View} view
 * @param {number} width
 */
function placeLabel(label, text, span, view, width) {
  const left = xOf(view, span.start, width);
  const right = Math.max(left + BAR_MIN, xOf(view, span.end ?? now(), width));
  const own = textWidth(text);
  if (label.textContent !== text) label.textContent = text;
  const isOut = right < 0 || left > width;
  const isAfter = right + GAP + own <= width;
  const isBefore = !isAfter && left - GAP - own >= 0;
  label.classList.toggle("is-inside", !isOut && !isAfter && !isBefore);
  let x = width - own - GAP;
  if (isAfter) x = Math.max(GAP, right + GAP);
  else if (isBefore) x = Math.min(width, left) - GAP - own;
  if (isOut) x = right < 0 ? GAP : width - own - GAP;
  label.classList.toggle("is-away", isOut);
  label.dataset.away = isOut ? (right < 0 ? "before" : "after") : "";
  label.style.left = `${x.toFixed(1)}px`;
}
