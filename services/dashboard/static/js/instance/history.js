// @ts-check
/** The history: every event of the execution, filtered, opened one by one, downloaded whole. */

import { ApiError } from "../api.js";
import { formatTime } from "../clock.js";
import { button, el, icon } from "./element.js";
import { downloadHistory } from "./history_download.js";
import { HistoryTools } from "./history_tools.js";
import { lookOf, wordOf } from "./history_rows.js";
import { PayloadView } from "./payload_view.js";
import { durationText } from "./step_facts.js";
import { VirtualList } from "./virtual.js";

/**
 * @typedef {import("./history_rows.js").HistoryRow} HistoryRow
 * @typedef {import("./loader.js").Store} Store
 */

const ROW_HEIGHT = 28;
const DETAIL_HEIGHT_MAX = 336;
const LINE_HEIGHT = 18;
/** Of a detail's tools and edges. */
const DETAIL_FRAME = 66;

export class History {
  /**
   * @param {HTMLElement} panel
   * @param {Store} store
   */
  constructor(panel, store) {
    this.store = store;
    /** @type {import("./history_rows.js").Filter} */
    this.filter = { kinds: new Set(), text: "", failuresOnly: false };
    /** What is shown: the store may hold another execution's already. */
    this.rows = store.root.rows;
    /** @type {number[]} positions of the events that are shown */
    this.shown = [];
    /** @type {Set<number>} positions of the events that are open */
    this.opened = new Set();
    /** @type {Map<number, HTMLElement>} */
    this.details = new Map();
    /** @type {Map<number, number>} how tall details are, once it is known */
    this.heights = new Map();
    this.active = 0;
    this.isShown = false;
    this.executionId = "";
    this.tools = new HistoryTools(this.filter, {
      changed: () => this.update(),
      download: (signal, tell) => downloadHistory(store, signal, tell),
    });
    this.body = el("div", { class: "hs-body", role: "rowgroup" });
    this.grid = el(
      "div",
      {
        class: "hs-grid",
        role: "treegrid",
        tabindex: 0,
        "aria-label": "History",
        "aria-colcount": 6,
      },
      headRow(),
      this.body,
    );
    this.empty = el("p", { class: "empty", hidden: true });
    panel.append(el("div", { class: "hs panel" }, this.tools.element, this.grid, this.empty));
    this.list = new VirtualList({
      scroller: this.grid,
      body: this.body,
      rowHeight: ROW_HEIGHT,
      headHeight: () => ROW_HEIGHT,
      create: (at) => this.create(at),
      keyOf: (at) => `${this.shown[at]}${this.opened.has(this.shown[at]) ? "+" : ""}`,
      onRender: () => this.mark(),
    });
    this.grid.addEventListener("keydown", (event) => this.onKey(event));
    this.grid.addEventListener("click", (event) => this.onClick(event));
    document.addEventListener("zonechange", () => this.isShown && this.list.refresh());
  }

  show() {
    this.isShown = true;
    this.update();
  }

  hide() {
    this.isShown = false;
  }

  update() {
    const { rows, executionId, isComplete, total } = this.store.root;
    if (executionId !== this.executionId) {
      this.executionId = executionId;
      this.reset();
    }
    this.rows = rows;
    if (!this.isShown) return;
    this.shown = rows.matching(this.filter);
    /** @type {Map<number, number>} */
    const extra = new Map();
    if (this.opened.size > 0) {
      this.shown.forEach((index, at) => {
        if (this.opened.has(index)) extra.set(at, this.heights.get(index) ?? DETAIL_FRAME);
      });
    }
    this.list.setCount(this.shown.length, extra);
    this.grid.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.tools.show(rows, this.shown.length, isComplete ? rows.rows.length : total);
    this.empty.hidden = this.shown.length > 0 || !isComplete;
    this.empty.textContent =
      rows.rows.length === 0
        ? "No events yet: it has not started."
        : "No event matches these filters.";
    this.list.render();
  }

  /** Nothing of another execution stays. */
  reset() {
    this.shown = [];
    this.opened.clear();
    this.details.clear();
    this.heights.clear();
    this.active = 0;
    this.list.setCount(0);
    this.list.refresh();
  }

  /** @param {number} at */
  create(at) {
    const index = this.shown[at];
    const row = this.rows.rows[index];
    const origin = this.store.root.model?.start ?? row.time;
    const isOpen = this.opened.has(index);
    const { icon: name, tone } = lookOf(row);
    const sign = row.time < origin ? "−" : "+";
    const element = el(
      "div",
      {
        class: `hs-row${row.isFailure ? " is-failed" : ""}`,
        role: "row",
        id: `hs-row-${at}`,
        "aria-level": 1,
        "aria-rowindex": at + 2,
        "aria-expanded": String(isOpen),
        "aria-selected": "false",
      },
      cell("hs-index", el("span", { class: "tl-chevron" }, icon("chevron")), String(row.index)),
      cell(
        "hs-time",
        el(
          "span",
          { title: formatTime(row.time) },
          sign + durationText(Math.abs(row.time - origin)),
        ),
      ),
      cell("hs-since", row.sinceLast < 0.005 ? "" : durationText(row.sinceLast)),
      cell(`hs-kind tone-${tone}`, icon(name), el("span", { class: "cut" }, wordOf(row.kind))),
      cell("hs-name cut", row.name),
      cell("hs-note cut", row.note),
    );
    if (isOpen) element.append(this.detailOf(index));
    return element;
  }

  /** The whole event, asked for when it is opened. @param {number} index */
  detailOf(index) {
    const known = this.details.get(index);
    if (known !== undefined) return known;
    const view = new PayloadView({ name: `event-${index}`, label: `Event ${index}` });
    const detail = el("div", { class: "hs-detail", role: "gridcell" }, view.element);
    this.details.set(index, detail);
    const load = () => {
      view.say("Loading …");
      this.store.event(this.store.rootId, index).then(
        (event) => {
          if (this.details.get(index) !== detail) return; // it was another execution's
          const height = DETAIL_FRAME + view.show(JSON.stringify(event)) * LINE_HEIGHT;
          this.heights.set(index, Math.min(DETAIL_HEIGHT_MAX, height));
          detail.style.setProperty("--detail", `${this.heights.get(index)}px`);
          this.update();
        },
        (error) => {
          if (!(error instanceof ApiError)) throw error;
          view.say(error.message, button("Try again", load));
        },
      );
    };
    load();
    return detail;
  }

  /** @param {number} at */
  toggle(at) {
    const index = this.shown[at];
    if (index === undefined) return;
    if (!this.opened.delete(index)) this.opened.add(index);
    this.update();
  }

  mark() {
    let id = null;
    for (const [at, row] of this.list.rows) {
      row.setAttribute("aria-selected", String(at === this.active));
      if (at === this.active) id = row.id;
    }
    if (id === null) this.grid.removeAttribute("aria-activedescendant");
    else this.grid.setAttribute("aria-activedescendant", id);
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    if (!(event.target instanceof Element) || event.target.closest(".hs-detail")) return;
    const row = event.target.closest(".hs-row");
    // A text that was selected to be copied is not a click.
    if (!(row instanceof HTMLElement) || getSelection()?.type === "Range") return;
    this.active = Number(row.dataset.at);
    this.toggle(this.active);
    this.mark();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.target !== this.grid) {
      if (event.key === "Escape") this.grid.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOpen = this.opened.has(this.shown[this.active]);
    const page = this.list.pageSize();
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowDown: () => this.activate(this.active + 1),
      ArrowUp: () => this.activate(this.active - 1),
      PageDown: () => this.activate(this.active + page),
      PageUp: () => this.activate(this.active - page),
      Home: () => this.activate(0),
      End: () => this.activate(this.shown.length - 1),
      Enter: () => this.toggle(this.active),
      " ": () => this.toggle(this.active),
      ArrowRight: () => !isOpen && this.toggle(this.active),
      ArrowLeft: () => isOpen && this.toggle(this.active),
    };
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  /** @param {number} at */
  activate(at) {
    this.active = Math.max(0, Math.min(this.shown.length - 1, at));
    this.list.reveal(this.active);
    this.mark();
  }
}

function headRow() {
  const words = ["#", "Time", "Since last", "Kind", "Name", "Note"];
  const classes = ["hs-index", "hs-time", "hs-since", "hs-kind", "hs-name", "hs-note"];
  return el(
    "div",
    { class: "hs-head", role: "rowgroup" },
    el(
      "div",
      { class: "hs-row", role: "row", "aria-rowindex": 1 },
      ...words.map((word, at) => el("div", { class: classes[at], role: "columnheader" }, word)),
    ),
  );
}

/** @param {string} className @param {...(string | Node)} children */
function cell(className, ...children) {
  return el("div", { class: className, role: "gridcell" }, ...children);
}
