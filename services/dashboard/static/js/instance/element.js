// @ts-check
/** Elements made one by one: what an orchestration wrote becomes text, never HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {string | number | Node | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes] null, undefined and false leave one out, true is ""
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAll(element, attributes);
  append(element, children);
  return element;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAll(element, attributes);
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
export function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (value === true && !name.startsWith("aria-")) element.setAttribute(name, "");
    else element.setAttribute(name, String(value));
  }
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * A symbol of the sprite in icons.html.
 *
 * @param {string} name without `i-`
 * @param {string} [className]
 */
export function icon(name, className = "") {
  return svg(
    "svg",
    { class: `icon ${className}`.trim(), "aria-hidden": "true" },
    svg("use", { href: `#i-${name}` }),
  );
}

/**
 * @param {string} label
 * @param {() => void} onClick
 * @param {{icon?: string, className?: string, title?: string, text?: string}} [options] text: what
 *   stands in the place of the label, which is then read out only
 */
export function button(label, onClick, { icon: name, className = "", title, text = label } = {}) {
  const isShort = text !== label;
  const made = el(
    "button",
    {
      type: "button",
      class: `button ${className}`.trim(),
      title: title ?? (isShort ? label : null),
      "aria-label": isShort ? label : null,
    },
    name ? icon(name) : null,
    text,
  );
  made.addEventListener("click", onClick);
  return made;
}

/**
 * The part of the page that `selector` finds; it stands in instance_tabs.html.
 *
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function part(root, selector) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`The page has no ${selector}`);
  return found;
}
