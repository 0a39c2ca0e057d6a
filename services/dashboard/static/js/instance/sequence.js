// @ts-check
/** The sequence diagram's tab: draws it, opens and closes calls, goes through it by keyboard. */

import { button, el } from "./element.js";
import { sequenceOf, MESSAGES_MAX } from "./sequence_model.js";
import { layOut } from "./sequence_layout.js";
import { detailOf, drawBody, drawHead, drawTimes } from "./sequence_svg.js";
import { durationText, stepSheet } from "./step_facts.js";
import { KINDS } from "./looks.js";
import { textWidth } from "./timeline_bars.js";
import { factSheet } from "./tooltip.js";

/**
 * @typedef {import("./sequence_drawing.js").Message} Message
 * @typedef {import("./loader.js").Store} Store
 * @typedef {import("./tooltip.js").Tooltip} Tooltip
 */

export class SequencePanel {
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
    /** @type {Set<string>} */
    this.expanded = new Set();
    this.messagesMax = MESSAGES_MAX;
    this.isShown = false;
    this.executionId = "";
    this.drawn = "";
    this.active = "root/start";
    this.childIds = new Set();
    /** @type {Map<string, Message>} */
    this.messages = new Map();
    this.summary = el("span", { class: "muted tl-summary", role: "status" });
    this.canvas = el("div", { class: "sq-canvas" });
    this.scroller = el(
      "div",
      { class: "sq-scroll", role: "region", tabindex: 0, "aria-label": "Sequence" },
      this.canvas,
    );
    this.more = el("div", { class: "sq-more", hidden: true });
    panel.append(el("div", { class: "sq panel" }, this.tools(), this.scroller, this.more));
    this.listen();
    store.watchers.add(() => (this.isShown ? this.childIds : []));
  }

  tools() {
    const collapse = button("Collapse all", () => {
      this.expanded.clear();
      this.messagesMax = MESSAGES_MAX;
      this.update();
    });
    return el(
      "div",
      { class: "tools", role: "toolbar", "aria-label": "Sequence tools" },
      collapse,
      this.summary,
      el(
        "span",
        { class: "muted to-end wide-only" },
        "+ opens a call: repeated ones, or what a sub-orchestration calls",
      ),
    );
  }

  listen() {
    this.canvas.addEventListener("click", (event) => {
      const message = this.messageAt(event.target);
      if (message === undefined) return;
      const isToggle =
        event.target instanceof Element && event.target.closest(".sq-toggle") !== null;
      this.act(message, isToggle);
      this.focus(message.key);
    });
    this.canvas.addEventListener("pointerover", (event) => {
      const message = this.messageAt(event.target);
      if (message === undefined || event.pointerType === "touch") this.tooltip.hideSoon();
      else this.tooltip.soon(() => this.describe(message, event.clientX));
    });
    this.canvas.addEventListener("pointerleave", () => this.tooltip.hideSoon());
    this.canvas.addEventListener("focusin", (event) => {
      const message = this.messageAt(event.target);
      if (message) this.active = message.key;
    });
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.scroller.addEventListener("scroll", () => this.tooltip.hide(), { passive: true });
    new ResizeObserver(() => {
      this.drawn = "";
      if (this.isShown) this.update();
    }).observe(this.scroller);
  }

  show() {
    this.isShown = true;
    this.update();
  }

  hide() {
    this.isShown = false;
    this.tooltip.hide();
  }

  update() {
    const { root } = this.store;
    if (root.executionId !== this.executionId) {
      this.executionId = root.executionId;
      this.expanded.clear();
    }
    if (!this.isShown || root.model === null) return;
    if (root.model.start === null) {
      this.canvas.replaceChildren(
        el("p", { class: "empty" }, "Nothing has been called: it has not started."),
      );
      return;
    }
    const sequence = sequenceOf(root, this.expanded, this.store.find, this.messagesMax);
    this.childIds = new Set(
      sequence.messages.flatMap(({ step, isExpanded }) =>
        isExpanded && step?.childId ? [step.childId] : [],
      ),
    );
    if (sequence.missing.length > 0)
      void this.store.loadMany(sequence.missing.map((id) => [id, id]));
    // Drawn anew only when something has changed: what is being read stays where it is.
    const drawn = sequence.messages
      .map(({ key, label, state }) => `${key}${label}${state}`)
      .join("\n");
    const width = this.scroller.clientWidth;
    if (drawn + width === this.drawn) return;
    this.drawn = drawn + width;
    this.messages = new Map(sequence.messages.map((message) => [message.key, message]));
    this.draw(sequence, width);
    this.tellCut(sequence.messages.length, sequence.total);
  }

  /** @param {import("./sequence_model.js").Sequence} sequence @param {number} width */
  draw(sequence, width) {
    const hasFocus = this.canvas.contains(document.activeElement);
    const origin = this.store.root.model?.start ?? 0;
    const layout = layOut(sequence, textWidth, width);
    this.canvas.style.width = `${layout.width}px`;
    const body = drawBody(sequence, layout, (message) => this.sentence(message, origin));
    this.canvas.replaceChildren(
      drawHead(sequence, layout),
      drawTimes(sequence, layout, origin),
      body,
    );
    this.markActive();
    if (hasFocus) this.focus(this.active);
  }

  /** @param {number} shown @param {number} all */
  tellCut(shown, all) {
    this.summary.textContent = `${all.toLocaleString("en")} ${all === 1 ? "arrow" : "arrows"}`;
    this.more.hidden = shown >= all;
    if (this.more.hidden) return;
    const next = Math.min(MESSAGES_MAX, all - shown);
    this.more.replaceChildren(
      el(
        "span",
        { class: "muted" },
        `The first ${shown.toLocaleString("en")} of ${all.toLocaleString("en")} arrows are drawn.`,
      ),
      button(`Draw ${next.toLocaleString("en")} more`, () => {
        this.messagesMax += MESSAGES_MAX;
        this.update();
      }),
    );
  }

  /** @param {EventTarget | null} target */
  messageAt(target) {
    const group = target instanceof Element ? target.closest(".sq-message") : null;
    return this.messages.get(group?.getAttribute("data-key") ?? "");
  }

  /**
   * Opens or closes what a message stands for, else shows what it carried.
   *
   * @param {Message} message
   * @param {boolean} isToggle
   */
  act(message, isToggle) {
    this.tooltip.hide();
    if (isToggle && message.group !== null) this.toggle(message.group);
    else if (message.expandKey !== null) this.toggle(message.expandKey);
    else if (message.step && message.step.inputIndex >= 0)
      this.openStep(message.ownerId, message.step.key);
  }

  /** @param {string} key */
  toggle(key) {
    if (!this.expanded.delete(key)) this.expanded.add(key);
    this.update();
  }

  /** @param {string} key */
  focus(key) {
    this.active = key;
    this.markActive();
    const element = this.canvas.querySelector(".sq-message[tabindex='0']");
    if (element instanceof SVGElement) element.focus({ preventScroll: true });
  }

  /** One message can be reached by Tab, the others by arrows. */
  markActive() {
    const all = [...this.canvas.querySelectorAll(".sq-message")];
    const active = all.find((one) => one.getAttribute("data-key") === this.active) ?? all[0];
    for (const one of all) one.setAttribute("tabindex", one === active ? "0" : "-1");
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const message = this.messageAt(event.target);
    if (message === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = [...this.messages.keys()];
    const at = keys.indexOf(message.key);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: keys.length - 1 }[event.key];
    if (to !== undefined && keys[to] !== undefined) {
      this.focus(keys[to]);
      document.activeElement?.scrollIntoView({ block: "nearest", inline: "nearest" });
      const next = this.messages.get(keys[to]);
      if (next) this.describe(next);
    } else if (event.key === "Enter" || event.key === " ")
      this.act(message, message.group !== null);
    else if (event.key === "ArrowRight" && message.expandKey && !message.isExpanded)
      this.toggle(message.expandKey);
    else if (event.key === "ArrowLeft" && message.group) this.toggle(message.group);
    else if (event.key === "ArrowLeft" && message.expandKey && message.isExpanded)
      this.toggle(message.expandKey);
    else return;
    event.preventDefault();
  }

  /** @param {Message} message @param {number} origin */
  sentence(message, origin) {
    const name = (/** @type {string} */ id) => id.replace(/^[a-z]+:/, "");
    const parts = [
      `+${durationText(Math.max(0, message.time - origin))}`,
      `${name(message.from)} to ${name(message.to)}: ${message.label}`,
      detailOf(message),
    ];
    if (message.expandKey !== null) parts.push(message.isExpanded ? "open" : "closed");
    return parts.filter(Boolean).join(", ");
  }

  /** @param {Message} message @param {number} [x] */
  describe(message, x) {
    const element = this.canvas.querySelector(`.sq-message[data-key="${CSS.escape(message.key)}"]`);
    if (element === null || message.call === null) {
      this.tooltip.hideSoon();
      return;
    }
    const box = element.getBoundingClientRect();
    const origin = this.store.root.model?.start ?? 0;
    const sheet = message.step ? stepSheet(message.step, origin) : groupSheet(message);
    this.tooltip.show(message.key, sheet, x ?? box.left + 100, box.top, box.bottom);
  }
}

/** @param {Message} message */
function groupSheet(message) {
  const { call } = message;
  const steps = call?.steps ?? [];
  const failed = steps.filter((step) => step.state === "failed").length;
  const open = steps.filter((step) => step.state === "running").length;
  const retries = steps.reduce((sum, step) => sum + step.attempts - 1, 0);
  return factSheet(
    el(
      "p",
      { class: "tip-head" },
      el("strong", {}, call?.callee.label ?? ""),
      el("span", { class: "muted" }, `× ${steps.length.toLocaleString("en")}`),
    ),
    [
      ["Kind", steps[0] ? KINDS[steps[0].kind].word : null],
      ["Calls", call?.shape === "fan-out" ? "in one turn, side by side" : "one after the other"],
      ["Durations", detailOf(message)],
      ["Failed", failed > 0 ? String(failed) : null],
      ["Running", open > 0 ? String(open) : null],
      ["Retries", retries > 0 ? String(retries) : null],
    ],
    "Click to see each of them.",
  );
}
