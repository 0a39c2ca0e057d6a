// @ts-check
/** The steps that have payloads: a tree to search in and to choose from. */

import { el, icon } from "./element.js";
import { KINDS, STATES, stateOfStatus, titleOf, wordOfState } from "./looks.js";
import { payloadRows } from "./payload_items.js";
import { durationText, isMoment, lengthOf } from "./step_facts.js";
import { shortId } from "./timeline_row.js";
import { flatten, parentOf, signatureOf } from "./timeline_rows.js";
import { VirtualList, markActive } from "./virtual.js";

/**
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./loader.js").Store} Store
 */

const ROW_HEIGHT = 28;
const INDENT = 14;

export class PayloadList {
  /**
   * @param {Store} store
   * @param {(row: Row) => void} choose
   */
  constructor(store, choose) {
    this.store = store;
    this.choose = choose;
    this.expanded = new Set(["root"]);
    this.chosen = "root";
    this.query = "";
    /** @type {Row[]} */
    this.rows = [];
    this.search = el("input", {
      type: "search",
      placeholder: "Find a step",
      "aria-label": "Find a step",
    });
    this.count = el("span", { class: "muted", role: "status" });
    this.body = el("div", { class: "io-body", role: "presentation" });
    this.tree = el(
      "div",
      { class: "io-tree", role: "tree", tabindex: 0, "aria-label": "Steps" },
      this.body,
    );
    this.element = el(
      "div",
      { class: "io-list" },
      el(
        "div",
        { class: "tools" },
        el("label", { class: "find" }, icon("search"), this.search),
        this.count,
      ),
      this.tree,
    );
    this.list = new VirtualList({
      scroller: this.tree,
      body: this.body,
      rowHeight: ROW_HEIGHT,
      create: (at) => this.create(at),
      keyOf: (at) => signatureOf(this.rows[at], this.store.root),
      onRender: () => this.mark(),
    });
    this.search.addEventListener("input", () => {
      this.query = this.search.value;
      this.update();
    });
    this.tree.addEventListener("keydown", (event) => this.onKey(event));
    this.tree.addEventListener("click", (event) => this.onClick(event));
  }

  reset() {
    this.expanded = new Set(["root"]);
    this.chosen = "root";
  }

  update() {
    const all = flatten(this.store.root, this.expanded, this.store.find);
    /** @type {[string, string][]} */
    const wanted = [];
    for (const row of all) {
      if (row.isExpanded && row.step && row.childId && !this.store.find(row.childId)) {
        wanted.push([row.childId, row.label]);
      }
    }
    if (wanted.length > 0) void this.store.loadMany(wanted);
    this.rows = payloadRows(all, this.query);
    const noun = this.rows.length === 1 ? "entry" : "entries";
    this.count.textContent = `${this.rows.length.toLocaleString("en")} ${noun}`;
    this.list.setCount(this.rows.length);
    this.list.render();
  }

  *watched() {
    for (const row of this.rows) if (row.isExpanded && row.childId !== null) yield row.childId;
  }

  chosenRow() {
    return this.rows.find((row) => row.key === this.chosen);
  }

  /** Chooses a step wherever it is in the tree. @param {string} ownerId @param {string} stepKey */
  find(ownerId, stepKey) {
    this.query = this.search.value = "";
    const isIt = (/** @type {Row} */ row) => row.ownerId === ownerId && row.step?.key === stepKey;
    // What is open in the timeline may be closed here: open the way that leads to it.
    for (let round = 0; round < 32; round += 1) {
      const all = flatten(this.store.root, this.expanded, this.store.find);
      const found = all.find(isIt);
      if (found) {
        this.chosen = found.key;
        this.update();
        this.list.reveal(
          Math.max(
            0,
            this.rows.findIndex((row) => row.key === found.key),
          ),
        );
        return;
      }
      const closed = all.filter(
        (row) => row.isExpandable && !row.isExpanded && this.store.find(row.childId ?? "")?.model,
      );
      if (closed.length === 0) return;
      for (const row of closed) this.expanded.add(row.key);
    }
  }

  /** @param {number} at */
  create(at) {
    const row = this.rows[at];
    const step = row.step;
    const state = STATES[step ? step.state : stateOfStatus(this.store.root.status)];
    const element = el("div", {
      class: `io-row is-${row.type}`,
      role: "treeitem",
      id: `io-row-${at}`,
      "aria-level": row.depth + 1,
      "aria-posinset": row.position,
      "aria-setsize": row.siblings,
      "aria-selected": "false",
      "aria-expanded": row.isExpandable ? String(row.isExpanded) : null,
    });
    element.style.paddingLeft = `${6 + Math.min(row.depth, 12) * INDENT}px`;
    element.append(el("span", { class: "tl-chevron" }, row.isExpandable ? icon("chevron") : null));
    if (row.type === "note") {
      element.append(el("span", { class: "tl-note" }, row.label));
      return element;
    }
    const word = step ? wordOfState(step) : state.word;
    element.append(
      icon(state.icon, `tone-${state.tone} tl-state`),
      el("span", { class: "only-read-out" }, word),
      icon(step ? KINDS[step.kind].icon : "orchestration", "tl-kind"),
      el(
        "span",
        { class: "cut grow" },
        step ? titleOf(step) : row.label,
        step?.childId
          ? el("span", { class: "tl-suffix" }, ` ${shortId(step.childId, row.ownerId)}`)
          : null,
      ),
    );
    if (step && step.end !== null && !isMoment(step)) {
      element.append(el("span", { class: "muted number" }, durationText(lengthOf(step))));
    }
    return element;
  }

  mark() {
    markActive(this.tree, this.list, this.rows, this.chosen);
  }

  /** @param {number} at */
  toggle(at) {
    const row = this.rows[at];
    if (!row?.isExpandable) return;
    if (!this.expanded.delete(row.key)) this.expanded.add(row.key);
    this.update();
  }

  /** @param {number} at */
  select(at) {
    const row = this.rows[Math.max(0, Math.min(this.rows.length - 1, at))];
    if (row === undefined || row.type === "note") return;
    this.chosen = row.key;
    this.mark();
    this.choose(row);
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const row = event.target instanceof Element ? event.target.closest(".io-row") : null;
    if (!(row instanceof HTMLElement)) return;
    const at = Number(row.dataset.at);
    if (/** @type {Element} */ (event.target).closest(".tl-chevron")) this.toggle(at);
    else this.select(at);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = Math.max(
      0,
      this.rows.findIndex((row) => row.key === this.chosen),
    );
    const row = this.rows[at];
    const go = (/** @type {number} */ to) => {
      const target = Math.max(0, Math.min(this.rows.length - 1, to));
      this.list.reveal(target);
      this.select(target);
    };
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      PageDown: () => go(at + this.list.pageSize()),
      PageUp: () => go(at - this.list.pageSize()),
      Home: () => go(0),
      End: () => go(this.rows.length - 1),
      ArrowRight: () => (row?.isExpandable && !row.isExpanded ? this.toggle(at) : go(at + 1)),
      ArrowLeft: () => (row?.isExpanded ? this.toggle(at) : go(parentOf(this.rows, at))),
      Enter: () => this.toggle(at),
    };
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }
}
