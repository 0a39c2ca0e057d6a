// @ts-check
/**
 * Makes a part of the page like a fresh one without replacing what is the same: focus, ticks and
 * open details stay where they are.
 */

/** What the reader has changed, and a fresh rendering knows nothing of. */
const KEPT = new Set(["open", "class"]);

/** @param {Node} node */
function keyOf(node) {
  return node instanceof Element ? node.getAttribute("data-id") ?? node.id : "";
}

/**
 * @param {Element} shown
 * @param {Element} fresh
 */
function takeAttributes(shown, fresh) {
  const keeps = shown.matches("details, tr");
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name) && !(keeps && KEPT.has(name))) shown.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
}

/**
 * @param {Element} shown
 * @param {Element} fresh
 */
function takeChildren(shown, fresh) {
  /** @type {Map<string, ChildNode>} */
  const keyed = new Map();
  for (const child of shown.childNodes) {
    if (keyOf(child)) keyed.set(keyOf(child), child);
  }
  /** @type {ChildNode | null} */
  let at = shown.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = keyOf(child) ? keyed.get(keyOf(child)) : undefined;
    if (known && known !== at) shown.insertBefore(known, at);
    const place = known ?? at;
    if (place === null || (!known && keyOf(place))) {
      shown.insertBefore(document.importNode(child, true), place);
      continue;
    }
    at = place.nextSibling;
    morph(place, child);
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/**
 * @param {ChildNode} shown in the page
 * @param {ChildNode} fresh from the server; is left as it is
 */
export function morph(shown, fresh) {
  if (shown.isEqualNode(fresh)) return;
  if (shown.nodeName !== fresh.nodeName || keyOf(shown) !== keyOf(fresh)) {
    shown.replaceWith(document.importNode(fresh, true));
  } else if (shown instanceof Element && fresh instanceof Element) {
    takeAttributes(shown, fresh);
    takeChildren(shown, fresh);
  } else {
    shown.nodeValue = fresh.nodeValue;
  }
}
