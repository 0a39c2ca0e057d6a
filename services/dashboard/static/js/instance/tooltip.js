// @ts-check
/** One tooltip for all tabs: stays while the pointer is on it, goes with Escape. */

import { el } from "./element.js";

const HIDE_MS = 120;
/** A pointer on its way somewhere else opens nothing. */
const SHOW_MS = 300;
const EDGE = 8;

export class Tooltip {
  constructor() {
    this.element = el("div", { class: "tip", role: "tooltip", id: "instance-tip", hidden: true });
    document.body.append(this.element);
    this.timer = 0;
    /** @type {unknown} what it is shown for */
    this.subject = null;
    this.element.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.element.addEventListener("pointerleave", () => this.hideSoon());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.element.hidden) this.hide();
    });
    window.addEventListener("scroll", () => this.hide(), { passive: true });
  }

  /** Shows something unless the pointer leaves at once. @param {() => void} show */
  soon(show) {
    clearTimeout(this.timer);
    // Once one is open, the next one comes without delay.
    this.timer = window.setTimeout(show, this.element.hidden ? SHOW_MS : HIDE_MS);
  }

  /**
   * @param {unknown} subject
   * @param {Node} content
   * @param {number} x what it is shown below, in the window
   * @param {number} top
   * @param {number} bottom
   */
  show(subject, content, x, top, bottom) {
    clearTimeout(this.timer);
    this.subject = subject;
    this.element.replaceChildren(content);
    this.element.hidden = false;
    const { width, height } = this.element.getBoundingClientRect();
    const left = Math.min(Math.max(EDGE, x + 12), window.innerWidth - width - EDGE);
    const below = bottom + 6;
    const fits = below + height + EDGE <= window.innerHeight;
    this.element.style.left = `${Math.max(EDGE, left)}px`;
    this.element.style.top = `${fits ? below : Math.max(EDGE, top - height - 6)}px`;
  }

  hideSoon() {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.hide(), HIDE_MS);
  }

  hide() {
    clearTimeout(this.timer);
    this.subject = null;
    this.element.hidden = true;
  }
}

/**
 * Lines of a name and a value.
 *
 * @param {Node} head
 * @param {[string, string | Node | null][]} facts those without a value are left out
 * @param {string} [foot]
 */
export function factSheet(head, facts, foot = "") {
  const list = el("dl", { class: "tip-facts" });
  for (const [name, value] of facts) {
    if (value === null || value === "") continue;
    list.append(el("dt", {}, name), el("dd", {}, value));
  }
  return el("div", {}, head, list, foot === "" ? null : el("p", { class: "tip-foot" }, foot));
}
