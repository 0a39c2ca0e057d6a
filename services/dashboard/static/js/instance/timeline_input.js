// @ts-check
/** Keys, wheel and pointer of the timeline. */

import { timeAt } from "./scale.js";
import { parentOf } from "./timeline_rows.js";

/** @typedef {import("./timeline.js").Timeline} Timeline */

const PAN_SHARE = 0.15;
const DRAG_MIN = 4;

/** @param {Timeline} timeline */
export function listenToKeys(timeline) {
  const { grid } = timeline.frame;
  grid.addEventListener("keydown", (event) => {
    const act = actionOf(timeline, event);
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
  grid.addEventListener("blur", () => timeline.tooltip.hide());
}

/**
 * @param {Timeline} timeline
 * @param {KeyboardEvent} event
 * @returns {(() => void) | undefined}
 */
function actionOf(timeline, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const at = timeline.activeAt();
  const last = timeline.rows.length - 1;
  /** @param {number} to */
  const move = (to) => () => {
    const target = Math.max(0, Math.min(last, to));
    timeline.list.reveal(target);
    timeline.activate(target);
    timeline.describe(target);
  };
  const wide = timeline.frame.trackWidth() * PAN_SHARE;
  if (event.shiftKey && event.key === "ArrowLeft") return () => timeline.panBy(-wide);
  if (event.shiftKey && event.key === "ArrowRight") return () => timeline.panBy(wide);
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowDown: move(at + 1),
    ArrowUp: move(at - 1),
    Home: move(0),
    End: move(last),
    PageDown: move(at + timeline.list.pageSize()),
    PageUp: move(at - timeline.list.pageSize()),
    ArrowRight: () => goIn(timeline, at, move),
    ArrowLeft: () => goOut(timeline, at, move),
    Enter: () => timeline.open(at),
    " ": () => timeline.toggle(at),
    "+": () => timeline.zoomBy(1.5),
    "=": () => timeline.zoomBy(1.5),
    "-": () => timeline.zoomBy(1 / 1.5),
    _: () => timeline.zoomBy(1 / 1.5),
    0: () => timeline.fit(),
    "*": () => void timeline.expandAll(),
  };
  return keys[event.key];
}

/** @param {Timeline} timeline @param {number} at @param {(to: number) => () => void} move */
function goIn(timeline, at, move) {
  const row = timeline.rows[at];
  if (!row?.isExpandable) return;
  if (row.isExpanded) move(at + 1)();
  else timeline.toggle(at, true);
}

/** @param {Timeline} timeline @param {number} at @param {(to: number) => () => void} move */
function goOut(timeline, at, move) {
  if (timeline.rows[at]?.isExpanded) timeline.toggle(at, false);
  else move(Math.max(0, parentOf(timeline.rows, at)))();
}

/** @param {Timeline} timeline */
export function listenToPointer(timeline) {
  const { grid } = timeline.frame;
  grid.addEventListener("wheel", (event) => onWheel(timeline, event), { passive: false });
  listenToDrag(timeline);
  grid.addEventListener("pointerover", (event) => {
    const at = rowAt(event.target);
    if (at === null || event.pointerType === "touch") timeline.tooltip.hideSoon();
    else timeline.tooltip.soon(() => timeline.describe(at, event.clientX));
  });
  grid.addEventListener("pointerleave", () => timeline.tooltip.hideSoon());
  grid.addEventListener("scroll", () => timeline.tooltip.hide(), { passive: true });
  grid.addEventListener("click", (event) => onClick(timeline, event));
  grid.addEventListener("dblclick", (event) => {
    const at = rowAt(event.target);
    if (at !== null && !isName(event.target)) timeline.toggle(at);
  });
}

/** @param {Timeline} timeline @param {MouseEvent} event */
function onClick(timeline, event) {
  const at = rowAt(event.target);
  if (at === null) return;
  timeline.activate(at);
  if (event.target instanceof Element && event.target.closest(".tl-chevron")) timeline.toggle(at);
  else if (isName(event.target) && !(event.target instanceof HTMLAnchorElement)) timeline.open(at);
  timeline.frame.grid.focus({ preventScroll: true });
}

/** @param {EventTarget | null} target */
function isName(target) {
  return target instanceof Element && target.closest("a.tl-name, button.tl-name") !== null;
}

/** @param {EventTarget | null} target */
function rowAt(target) {
  const row = target instanceof Element ? target.closest(".tl-row") : null;
  return row instanceof HTMLElement ? Number(row.dataset.at) : null;
}

/** @param {Timeline} timeline @param {WheelEvent} event */
function onWheel(timeline, event) {
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    const { frame, view } = timeline;
    const x = event.clientX - frame.grid.getBoundingClientRect().left - frame.labelWidth();
    timeline.zoomBy(1.002 ** -event.deltaY, timeAt(view, Math.max(0, x), frame.trackWidth()));
    return;
  }
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (!event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
  event.preventDefault();
  timeline.panBy(sideways);
}

/** Drags the bars sideways; two fingers zoom. @param {Timeline} timeline */
function listenToDrag(timeline) {
  const { grid } = timeline.frame;
  /** @type {Map<number, number>} pointers that are down, and where */
  const down = new Map();
  let moved = 0;
  grid.addEventListener("pointerdown", (event) => {
    const isTrack = event.target instanceof Element && event.target.closest(".tl-track, .tl-axis");
    if (!isTrack || event.button !== 0) return;
    down.set(event.pointerId, event.clientX);
    moved = 0;
  });
  grid.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (last === undefined) return;
    const by = event.clientX - last;
    moved += Math.abs(by);
    if (moved < DRAG_MIN) return;
    if (!grid.hasPointerCapture(event.pointerId)) grid.setPointerCapture(event.pointerId);
    timeline.tooltip.hide();
    grid.classList.add("is-dragged");
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) timeline.panBy(-by);
    else pinch(timeline, last, event.clientX, other);
    down.set(event.pointerId, event.clientX);
  });
  const up = (/** @type {PointerEvent} */ event) => {
    down.delete(event.pointerId);
    if (down.size === 0) grid.classList.remove("is-dragged");
  };
  grid.addEventListener("pointerup", up);
  grid.addEventListener("pointercancel", up);
}

/** @param {Timeline} timeline @param {number} from @param {number} to @param {number} other */
function pinch(timeline, from, to, other) {
  const { frame, view } = timeline;
  const before = Math.max(10, Math.abs(from - other));
  const after = Math.max(10, Math.abs(to - other));
  const x = other - frame.grid.getBoundingClientRect().left - frame.labelWidth();
  timeline.zoomBy(after / before, timeAt(view, x, frame.trackWidth()));
}
