// @ts-check
/** What stands above the history: filters by kind, text and failure, the count, the download. */

import { button, el, icon } from "./element.js";
import { lookOf, wordOf } from "./history_rows.js";

/**
 * @typedef {import("./history_rows.js").Filter} Filter
 * @typedef {import("./history_rows.js").HistoryRows} HistoryRows
 *
 * @typedef {object} Actions
 * @property {() => void} changed
 * @property {(signal: AbortSignal, tell: (text: string) => void) => Promise<void>} download
 */

const TYPING_MS = 120;

export class HistoryTools {
  /** @param {Filter} filter changed in place @param {Actions} actions */
  constructor(filter, actions) {
    this.filter = filter;
    this.actions = actions;
    /** @type {Map<string, HTMLButtonElement>} */
    this.chips = new Map();
    this.kinds = el("div", {
      class: "chips hs-kinds",
      role: "group",
      "aria-label": "Kinds of event",
    });
    this.count = el("span", { class: "muted tl-summary", role: "status" });
    this.text = el("input", {
      type: "search",
      placeholder: "Filter by name",
      "aria-label": "Filter by name",
    });
    this.failures = el("input", { type: "checkbox" });
    this.failuresWord = el("span", {}, "Failures only");
    this.progress = el("span", { class: "muted", role: "status" });
    this.downloadButton = button("Download JSON", () => void this.download(), { icon: "download" });
    /** @type {AbortController | null} */
    this.running = null;
    this.clear = button("Clear filters", () => this.reset(), { className: "plain", icon: "close" });
    this.clear.hidden = true;
    this.element = el(
      "div",
      { class: "hs-tools" },
      el(
        "div",
        { class: "tools" },
        el("label", { class: "find" }, icon("search"), this.text),
        el("label", { class: "check" }, this.failures, this.failuresWord),
        this.clear,
        this.count,
        el("span", { class: "to-end" }, this.progress, this.downloadButton),
      ),
      this.kinds,
    );
    this.listen();
  }

  listen() {
    let timer = 0;
    this.text.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        this.filter.text = this.text.value.trim();
        this.actions.changed();
      }, TYPING_MS);
    });
    this.failures.addEventListener("change", () => {
      this.filter.failuresOnly = this.failures.checked;
      this.actions.changed();
    });
  }

  reset() {
    this.filter.kinds.clear();
    this.filter.text = this.text.value = "";
    this.filter.failuresOnly = this.failures.checked = false;
    this.actions.changed();
    this.text.focus();
  }

  /**
   * @param {HistoryRows} rows
   * @param {number} shown
   * @param {number} total
   */
  show(rows, shown, total) {
    for (const [kind, count] of rows.counts) this.chip(kind, count);
    for (const [kind, chip] of this.chips) {
      const isOn = this.filter.kinds.has(kind);
      chip.setAttribute("aria-pressed", String(isOn));
      chip.hidden = !rows.counts.has(kind);
    }
    const { kinds, text, failuresOnly } = this.filter;
    this.clear.hidden = kinds.size === 0 && text === "" && !failuresOnly;
    this.failuresWord.textContent = `Failures only (${rows.failures.toLocaleString("en")})`;
    const whole = `${total.toLocaleString("en")} ${total === 1 ? "event" : "events"}`;
    const isWhole = shown === total;
    this.count.textContent = isWhole ? whole : `${shown.toLocaleString("en")} of ${whole}`;
  }

  /** @param {string} kind @param {number} count */
  chip(kind, count) {
    const known = this.chips.get(kind);
    const number = el("span", { class: "hs-count" }, count.toLocaleString("en"));
    if (known !== undefined) {
      known.lastElementChild?.replaceWith(number);
      return;
    }
    const look = lookOf({
      kind,
      isFailure: false,
      index: 0,
      time: 0,
      sinceLast: 0,
      name: "",
      note: "",
    });
    const chip = el(
      "button",
      { type: "button", class: "chip hs-chip", "aria-pressed": "false" },
      icon(look.icon, `tone-${look.tone}`),
      wordOf(kind),
      number,
    );
    chip.addEventListener("click", () => {
      if (!this.filter.kinds.delete(kind)) this.filter.kinds.add(kind);
      this.actions.changed();
    });
    this.chips.set(kind, chip);
    this.kinds.append(chip);
  }

  /** Downloads, or stops the download that runs. */
  async download() {
    if (this.running !== null) {
      this.running.abort();
      return;
    }
    this.running = new AbortController();
    const word = /** @type {Text} */ (this.downloadButton.lastChild);
    word.data = "Stop";
    try {
      await this.actions.download(this.running.signal, (text) => {
        this.progress.textContent = text;
      });
      this.progress.textContent = "";
    } catch (error) {
      const isStopped = this.running.signal.aborted;
      this.progress.textContent = isStopped
        ? "Stopped."
        : `It failed: ${/** @type {Error} */ (error).message}`;
    } finally {
      this.running = null;
      word.data = "Download JSON";
    }
  }
}
