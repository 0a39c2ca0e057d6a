// @ts-check
/**
 * HTML built in the browser, every value escaped. The one module that makes elements of text; what
 * the server rendered is read by `part.js`.
 *
 * What people and orchestrations wrote goes in as a value of `html` and stays text; only `Markup`,
 * which `html` alone makes, goes in as it is. Values stand between tags or inside quoted attributes.
 */

/** @type {Record<string, string>} */
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** A piece of HTML whose values are escaped. */
export class Markup {
  /** @param {string} text */
  constructor(text) {
    /** @readonly */
    this.text = text;
  }
}

/** @param {string} text */
export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function textOf(value) {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(textOf).join("");
  return escapeHtml(String(value));
}

/**
 * A tagged template: text is escaped, `Markup` is not, lists are joined, and null, undefined and
 * false are nothing.
 *
 * @param {TemplateStringsArray} strings
 * @param {...unknown} values
 */
export function html(strings, ...values) {
  return new Markup(strings.reduce((text, part, at) => text + textOf(values[at - 1]) + part));
}

/**
 * The nodes of a piece of HTML.
 *
 * @param {Markup} markup
 */
export function fragment(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup.text;
  return template.content;
}

/**
 * Puts a piece of HTML in the place of what `element` holds.
 *
 * @param {Element | DocumentFragment} element
 * @param {Markup} markup
 */
export function render(element, markup) {
  element.replaceChildren(fragment(markup));
}

/**
 * A symbol of the sprite in base.html.
 *
 * @param {string} name without `i-`
 */
export function icon(name) {
  return html`<svg class="icon" aria-hidden="true"><use href="#i-${name}" /></svg>`;
}
