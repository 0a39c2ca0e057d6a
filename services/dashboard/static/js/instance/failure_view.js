// @ts-check
/** A failure as elements: what, why, its inner failures, and where in the code. */

import { copyText } from "../clipboard.js";
import { button, el, icon } from "./element.js";

/** @typedef {import("./steps.js").Failure} Failure */

const DEPTH_MAX = 32;

/**
 * @param {Failure} failure
 * @param {number} [depth]
 * @returns {HTMLElement}
 */
export function failureView(failure, depth = 0) {
  const element = el(
    "div",
    { class: "fl" },
    el("p", { class: "fl-type" }, icon("cross"), el("code", {}, failure.errorType || "Error")),
    el("pre", { class: "fl-message" }, failure.errorMessage || "(no message)"),
  );
  if (failure.stackTrace) element.append(stackView(failure.stackTrace, depth === 0));
  if (failure.innerFailure && depth < DEPTH_MAX) {
    const inner = el(
      "li",
      {},
      el("p", { class: "fl-by muted" }, "caused by"),
      failureView(failure.innerFailure, depth + 1),
    );
    element.append(el("ul", { class: "fl-inner" }, inner));
  }
  return element;
}

/** @param {string} stack @param {boolean} isOpen */
function stackView(stack, isOpen) {
  const copy = button(
    "Copy",
    async () => {
      const word = /** @type {Text} */ (copy.lastChild);
      word.data = (await copyText(stack)) ? "Copied" : "Not allowed";
      setTimeout(() => {
        word.data = "Copy";
      }, 1500);
    },
    { icon: "copy" },
  );
  return el(
    "details",
    { class: "fl-stack", open: isOpen },
    el("summary", {}, "Stack trace"),
    el(
      "div",
      { class: "fl-code" },
      el("pre", { tabindex: 0, role: "region", "aria-label": "Stack trace" }, stack.trimEnd()),
      copy,
    ),
  );
}
