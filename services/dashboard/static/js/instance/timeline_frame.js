// @ts-check
/**
 * The timeline's frame: tools, head with the time axis, grid lines, and the edge between columns.
 */

import { button, el } from "./element.js";
import { ticks, xOf } from "./scale.js";
import { textWidth } from "./timeline_bars.js";

/** @typedef {import("./scale.js").View} View */

const LABEL_KEY = "timeline-label";
const LABEL_MIN = 96;

/**
 * @typedef {object} Actions
 * @property {(factor: number) => void} zoom
 * @property {() => void} fit
 * @property {() => void} expandAll
 * @property {() => void} collapseAll
 * @property {() => void} resized
 */

const LEGEND = [
  ["activity", "activity is-completed", "Activity"],
  ["child", "child is-completed", "Orchestration"],
  ["timer", "timer is-completed", "Timer"],
  ["wait", "wait is-completed", "Event, entity"],
  ["backoff", "backoff", "Retry pause"],
  ["failed", "activity is-failed", "Failed"],
  ["running", "activity is-running", "Running"],
];

export class Frame {
  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.summary = el("span", { class: "muted tl-summary" });
    this.axis = el("div", { class: "tl-axis", role: "columnheader" });
    this.lines = el("div", { class: "tl-lines", "aria-hidden": true });
    this.body = el("div", { class: "tl-body", role: "rowgroup" });
    this.grid = this.makeGrid();
    this.edge = this.makeEdge();
    this.element = el(
      "div",
      { class: "tl panel" },
      this.tools(),
      el("div", { class: "tl-hold" }, this.grid, this.edge),
    );
    this.setLabelWidth(Number(localStorage.getItem(LABEL_KEY)) || null);
  }

  makeGrid() {
    const head = el(
      "div",
      { class: "tl-head", role: "rowgroup" },
      el(
        "div",
        { class: "tl-head-row", role: "row", "aria-rowindex": 1 },
        el("div", { class: "tl-corner", role: "columnheader" }, "Step"),
        this.axis,
      ),
    );
    return el(
      "div",
      {
        class: "tl-grid",
        role: "treegrid",
        tabindex: 0,
        "aria-label": "Timeline",
        "aria-colcount": 2,
        "aria-keyshortcuts": "+ - 0 Shift+ArrowLeft Shift+ArrowRight",
      },
      head,
      this.lines,
      this.body,
    );
  }

  tools() {
    const { zoom, fit, expandAll, collapseAll } = this.actions;
    const legend = el("ul", { class: "tl-legend", "aria-label": "Legend" });
    for (const [, className, word] of LEGEND) {
      legend.append(el("li", {}, el("span", { class: `bar-shape bar-${className}` }), word));
    }
    return el(
      "div",
      { class: "tools", role: "toolbar", "aria-label": "Timeline tools" },
      el(
        "span",
        { class: "joined" },
        button("Zoom out", () => zoom(0.5), {
          text: "−",
          className: "square",
          title: "Zoom out (-)",
        }),
        button("Zoom in", () => zoom(2), {
          text: "+",
          className: "square",
          title: "Zoom in (+), or Ctrl and the wheel",
        }),
        button("Fit", fit, { title: "Show all of it (0)" }),
      ),
      el(
        "span",
        { class: "joined" },
        button("Expand all", expandAll, {
          title: "Open the sub-orchestrations that are listed, 200 at a time (*)",
        }),
        button("Collapse", collapseAll),
      ),
      this.summary,
      legend,
    );
  }

  /** What is between the columns, to be moved. */
  makeEdge() {
    const edge = el("div", {
      class: "tl-edge",
      role: "separator",
      tabindex: 0,
      "aria-orientation": "vertical",
      "aria-label": "Width of the names",
      "aria-valuemin": LABEL_MIN,
    });
    edge.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      edge.setPointerCapture(event.pointerId);
    });
    edge.addEventListener("pointermove", (event) => {
      if (!edge.hasPointerCapture(event.pointerId)) return;
      this.setLabelWidth(event.clientX - this.grid.getBoundingClientRect().left, true);
    });
    edge.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.setLabelWidth(this.labelWidth() + by, true);
    });
    edge.addEventListener("dblclick", () => this.setLabelWidth(null, true));
    return edge;
  }

  labelWidth() {
    return /** @type {HTMLElement} */ (this.axis.previousElementSibling).offsetWidth;
  }

  /**
   * @param {number | null} width null: the style sheet's
   * @param {boolean} [isChosen] to be remembered
   */
  setLabelWidth(width, isChosen = false) {
    const widest = Math.max(LABEL_MIN, window.innerWidth * 0.7);
    const fitting =
      width === null ? null : Math.round(Math.min(widest, Math.max(LABEL_MIN, width)));
    if (fitting === null) this.element.style.removeProperty("--tl-label");
    else this.element.style.setProperty("--tl-label", `${fitting}px`);
    if (isChosen && fitting !== null) localStorage.setItem(LABEL_KEY, String(fitting));
    if (isChosen && fitting === null) localStorage.removeItem(LABEL_KEY);
    if (isChosen) this.actions.resized();
    this.edge.setAttribute("aria-valuemax", String(Math.round(widest)));
    this.edge.setAttribute("aria-valuenow", String(fitting ?? (this.labelWidth() || LABEL_MIN)));
  }

  /** Of what the bars stand in, in pixels. */
  trackWidth() {
    return Math.max(1, this.grid.clientWidth - this.labelWidth());
  }

  /**
   * @param {View} view
   * @param {number} origin
   * @param {number | null} end where the orchestration ended, or is now
   */
  drawAxis(view, origin, end) {
    const width = this.trackWidth();
    const label = this.labelWidth();
    this.axis.replaceChildren(el("span", { class: "only-read-out" }, "Time since the start"));
    this.lines.replaceChildren();
    for (const tick of ticks(view, origin, width)) {
      const x = xOf(view, tick.time, width);
      const fits = x + textWidth(tick.label) + 8 <= width;
      const mark = el("span", { class: "tl-tick", "aria-hidden": true }, fits ? tick.label : null);
      mark.style.left = `${x.toFixed(1)}px`;
      this.axis.append(mark);
      this.lines.append(line("tl-line", label + x));
    }
    const x = end === null ? -1 : xOf(view, end, width);
    if (x >= 0 && x <= width) this.lines.append(line("tl-line is-end", label + x));
    this.lines.style.setProperty("--tl-lines", `${this.grid.clientHeight}px`);
  }
}

/** @param {string} className @param {number} x */
function line(className, x) {
  const made = el("span", { class: className });
  made.style.left = `${x.toFixed(1)}px`;
  return made;
}
