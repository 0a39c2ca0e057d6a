// @ts-check
/** The timeline: a Gantt chart of steps, nested down the tree of instances. */

import { now } from "../clock.js";
import { part } from "./element.js";
import { isFinished } from "./loader.js";
import { boundsOf, clamp, pan, timeAt, zoom } from "./scale.js";
import { beginOf, instanceSheet, stepSheet } from "./step_facts.js";
import { Frame } from "./timeline_frame.js";
import { listenToKeys, listenToPointer } from "./timeline_input.js";
import { makeRow } from "./timeline_row.js";
import { AUTO_EXPANDED_MAX, autoExpanded, flatten, signatureOf } from "./timeline_rows.js";
import { VirtualList, markActive } from "./virtual.js";

/**
 * @typedef {import("./scale.js").View} View
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./timeline_bars.js").Track} Track
 * @typedef {import("./loader.js").Store} Store
 * @typedef {import("./tooltip.js").Tooltip} Tooltip
 */

const ROW_HEIGHT = 26;
/** How often running bars grow. */
const GROW_MS = 250;
/** So many sub-orchestrations are opened by one click. */
const EXPANDED_AT_ONCE_MAX = 200;

export class Timeline {
  /**
   * @param {HTMLElement} panel
   * @param {Store} store
   * @param {Tooltip} tooltip
   * @param {(ownerId: string, stepKey: string) => void} openStep
   */
  constructor(panel, store, tooltip, openStep) {
    this.store = store;
    this.tooltip = tooltip;
    this.openStep = openStep;
    this.expanded = new Set(["root"]);
    /** @type {Row[]} */
    this.rows = [];
    this.active = "root";
    /** @type {View} */
    this.bounds = { start: 0, end: 1 };
    /** @type {View} */
    this.view = this.bounds;
    /** All of it is in view, and stays so while it grows. */
    this.follows = true;
    this.isShown = false;
    this.timer = 0;
    this.executionId = "";
    /** @type {Map<string, number>} attempts of children that were loaded, by row */
    this.seen = new Map();
    /** @type {WeakMap<HTMLElement, Track>} */
    this.tracks = new WeakMap();
    this.frame = new Frame({
      zoom: (factor) => this.zoomBy(factor),
      fit: () => this.fit(),
      expandAll: () => void this.expandAll(),
      collapseAll: () => this.collapseAll(),
      resized: () => this.place(),
    });
    panel.append(this.frame.element);
    this.list = new VirtualList({
      scroller: this.frame.grid,
      body: this.frame.body,
      rowHeight: ROW_HEIGHT,
      headHeight: () => part(this.frame.grid, ".tl-head").offsetHeight,
      create: (at) => this.create(at),
      keyOf: (at) => signatureOf(this.rows[at], this.store.root),
      onRender: () => this.mark(),
    });
    listenToKeys(this);
    listenToPointer(this);
    new ResizeObserver(() => this.place()).observe(this.frame.grid);
    store.watchers.add(() => (this.isShown ? this.watched() : []));
    document.addEventListener("visibilitychange", () => this.grow());
  }

  get origin() {
    return beginOf(this.store.root) ?? this.bounds.start;
  }

  show() {
    this.isShown = true;
    this.update();
  }

  hide() {
    this.isShown = false;
    clearTimeout(this.timer);
    this.tooltip.hide();
  }

  /** Draws what is known now. */
  update() {
    const root = this.store.root;
    if (root.executionId !== this.executionId) this.reset(root.executionId);
    if (!this.isShown || root.model === null) return;
    this.openFew();
    this.rows = flatten(root, this.expanded, this.store.find);
    this.loadOpened();
    this.list.setCount(this.rows.length);
    this.frame.grid.setAttribute("aria-rowcount", String(this.rows.length + 1));
    this.summarise();
    this.list.render();
    this.place();
    this.grow();
  }

  /** @param {string} executionId */
  reset(executionId) {
    this.executionId = executionId;
    this.expanded = new Set(["root"]);
    this.seen.clear();
    this.follows = true;
    this.hasOpenedFew = false;
  }

  /** Opens the root's children where they are few; once, so that closing them lasts. */
  openFew() {
    const { model, isComplete } = this.store.root;
    if (this.hasOpenedFew || model === null || !isComplete) return;
    for (const key of autoExpanded("root", model)) this.expanded.add(key);
    const children = model.steps.filter((step) => step.childId !== null).length;
    // While it runs more children may come; once they are many, no more are opened.
    this.hasOpenedFew = model.end !== null || children > AUTO_EXPANDED_MAX;
  }

  /** Loads what is open and not there, and again what has been tried again. */
  loadOpened() {
    /** @type {[string, string][]} */
    const wanted = [];
    for (const row of this.rows) {
      if (!row.isExpanded || row.childId === null || row.step === null) continue;
      const branch = this.store.find(row.childId);
      const isRetried = this.seen.get(row.key) !== row.step.attempts;
      if (branch === undefined || (branch.model === null && branch.error === null)) {
        wanted.push([row.childId, row.label]);
      } else if (isRetried || isBehind(row, branch)) {
        branch.status = "ORCHESTRATION_STATUS_RUNNING"; // asked in the next round
        branch.isGone = false;
      }
      this.seen.set(row.key, row.step.attempts);
    }
    if (wanted.length > 0) void this.store.loadMany(wanted);
  }

  *watched() {
    for (const row of this.rows) if (row.isExpanded && row.childId !== null) yield row.childId;
  }

  summarise() {
    const model = this.store.root.model;
    const steps = model?.steps.length ?? 0;
    const parts = [`${steps.toLocaleString("en")} ${steps === 1 ? "step" : "steps"}`];
    if (model?.retries) parts.push(`${model.retries} ${model.retries === 1 ? "retry" : "retries"}`);
    if (!this.store.root.isComplete) parts.push("loading …");
    this.frame.summary.textContent = parts.join(" · ");
  }

  /** @param {number} at */
  create(at) {
    const row = this.rows[at];
    const { element, track } = makeRow(
      row,
      at,
      row.type === "instance" ? this.store.root : undefined,
    );
    this.tracks.set(element, track);
    track.place(this.view, this.frame.trackWidth());
    return element;
  }

  /** Puts bars and axis where time and view want them. */
  place() {
    if (!this.isShown) return;
    const { model } = this.store.root;
    const end = model?.end ?? now();
    const width = this.frame.trackWidth();
    this.bounds = boundsOf(this.origin, this.lastEnd(end), width);
    this.view = this.follows ? this.bounds : clamp(this.view, this.bounds);
    this.frame.drawAxis(this.view, this.origin, end);
    for (const element of this.list.rows.values())
      this.tracks.get(element)?.place(this.view, width);
  }

  /** Children may outlive who started them. @param {number} end */
  lastEnd(end) {
    let last = end;
    for (const row of this.rows) if (row.step?.end) last = Math.max(last, row.step.end);
    return last;
  }

  /** Lets running bars grow, while there are any to be seen. */
  grow() {
    clearTimeout(this.timer);
    const { status, isGone } = this.store.root;
    if (!this.isShown || document.hidden || isGone || isFinished(status)) return;
    this.timer = window.setTimeout(() => {
      requestAnimationFrame(() => {
        this.place();
        this.grow();
      });
    }, GROW_MS);
  }

  /** What zooming by key or button keeps in its place: the active step, else the middle. */
  focusTime() {
    const step = this.rows[this.activeAt()]?.step;
    const time = step ? (step.start + (step.end ?? now())) / 2 : this.view.start - 1;
    const isSeen = time >= this.view.start && time <= this.view.end;
    return isSeen ? time : (this.view.start + this.view.end) / 2;
  }

  /** @param {number} factor @param {number} [time] what stays in its place */
  zoomBy(factor, time = this.focusTime()) {
    this.view = zoom(this.view, this.bounds, factor, time);
    const whole = this.bounds.end - this.bounds.start;
    this.follows = this.view.end - this.view.start >= whole * 0.999;
    this.place();
  }

  fit() {
    this.follows = true;
    this.place();
  }

  /** @param {number} pixels */
  panBy(pixels) {
    if (this.follows) return;
    const width = this.frame.trackWidth();
    this.view = pan(this.view, this.bounds, timeAt(this.view, pixels, width) - this.view.start);
    this.place();
  }

  /** @param {number} at @param {boolean} [isOpen] */
  toggle(at, isOpen = !this.rows[at].isExpanded) {
    const row = this.rows[at];
    if (!row.isExpandable || row.isExpanded === isOpen) return;
    if (isOpen) this.expanded.add(row.key);
    else this.expanded.delete(row.key);
    this.update();
  }

  async expandAll() {
    const closed = this.rows.filter((row) => row.isExpandable && !row.isExpanded);
    for (const row of closed.slice(0, EXPANDED_AT_ONCE_MAX)) this.expanded.add(row.key);
    this.update();
  }

  collapseAll() {
    this.hasOpenedFew = true;
    this.expanded = new Set(["root"]);
    this.frame.grid.scrollTop = 0;
    this.update();
  }

  /** @param {number} at */
  activate(at) {
    const row = this.rows[Math.max(0, Math.min(this.rows.length - 1, at))];
    if (row === undefined) return;
    this.active = row.key;
    this.mark();
  }

  activeAt() {
    return Math.max(
      0,
      this.rows.findIndex((row) => row.key === this.active),
    );
  }

  /** Shows which row is active. */
  mark() {
    markActive(this.frame.grid, this.list, this.rows, this.active);
  }

  /** Opens what a row stands for: a child's page, a step's payloads. @param {number} at */
  open(at) {
    const row = this.rows[at];
    if (row?.step === null || row === undefined) return;
    const link = this.list.rows.get(at)?.querySelector("a");
    if (link) link.click();
    else if (row.step.inputIndex >= 0) this.openStep(row.ownerId, row.step.key);
  }

  /** @param {number} at @param {number} [x] */
  describe(at, x) {
    const row = this.rows[at];
    const element = this.list.rows.get(at);
    if (element === undefined || row === undefined || row.type === "note") return;
    const box = element.getBoundingClientRect();
    const sheet = row.step
      ? stepSheet(row.step, this.origin)
      : instanceSheet(this.store.root, this.origin);
    this.tooltip.show(row.key, sheet, x ?? box.left + this.frame.labelWidth(), box.top, box.bottom);
  }
}

/**
 * Whether a child's row has ended while what was loaded of the child had not.
 *
 * @param {Row} row
 * @param {import("./loader.js").Loaded | undefined} branch
 */
function isBehind(row, branch) {
  if (!branch?.isComplete || branch.isGone || branch.loading !== null) return false;
  return row.step?.end !== null && branch.model?.end === null && row.step?.state !== "abandoned";
}
