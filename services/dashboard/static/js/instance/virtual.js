// @ts-check
/**
 * A long list of which only what can be seen is in the page. Rows have one height; some may be
 * taller. Rows stay in the page while they stay in sight, so focus and selections in them do too.
 */

/** Rows beyond the edges that are kept ready. */
const OVERSCAN = 8;
/** Browsers draw nothing further down than some 16 million pixels. */
const HEIGHT_MAX = 15_000_000;

/**
 * @typedef {object} Options
 * @property {HTMLElement} scroller what scrolls
 * @property {HTMLElement} body what holds the rows, positioned
 * @property {number} rowHeight in pixels
 * @property {(at: number) => HTMLElement} create
 * @property {(at: number) => string} keyOf rows with the same key are kept
 * @property {() => number} [headHeight] of what sticks to the top inside the scroller
 * @property {(rows: Map<number, HTMLElement>) => void} [onRender]
 */

export class VirtualList {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    this.count = 0;
    /** @type {Map<number, HTMLElement>} by position */
    this.rows = new Map();
    /** @type {Map<number, number>} what rows have beyond the row height, by position */
    this.extra = new Map();
    /** @type {[number, number][]} position and sum of what stands before, in order */
    this.sums = [];
    this.frame = 0;
    options.scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(options.scroller);
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  /**
   * @param {number} count
   * @param {Map<number, number>} [extra]
   */
  setCount(count, extra = new Map()) {
    this.count = count;
    this.extra = extra;
    let sum = 0;
    this.sums = [...extra]
      .sort(([one], [other]) => one - other)
      .map(([at, more]) => {
        sum += more;
        return [at, sum];
      });
    this.options.body.style.height = `${Math.min(HEIGHT_MAX, this.topOf(count))}px`;
  }

  /** Makes all rows anew: what they show has changed. */
  refresh() {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.render();
  }

  /** Where a row begins. @param {number} at */
  topOf(at) {
    let more = 0;
    for (const [position, sum] of this.sums) {
      if (position >= at) break;
      more = sum;
    }
    return at * this.options.rowHeight + more;
  }

  /** The row at a height. @param {number} y */
  at(y) {
    let low = 0;
    let high = Math.max(0, this.count - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.topOf(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  head() {
    return this.options.headHeight?.() ?? 0;
  }

  render() {
    const { scroller, body } = this.options;
    const top = scroller.scrollTop;
    const first = Math.max(0, this.at(top) - OVERSCAN);
    const last = Math.min(this.count - 1, this.at(top + scroller.clientHeight) + OVERSCAN);
    for (const [at, row] of this.rows) {
      if (at >= first && at <= last && row.dataset.key === this.options.keyOf(at)) continue;
      row.remove();
      this.rows.delete(at);
    }
    // From the last to the first, each before its successor: read out in their order.
    /** @type {HTMLElement | null} */
    let next = null;
    for (let at = last; at >= first; at -= 1) {
      let row = this.rows.get(at);
      if (row === undefined) {
        row = this.options.create(at);
        row.dataset.key = this.options.keyOf(at);
        row.dataset.at = String(at);
        this.rows.set(at, row);
        body.insertBefore(row, next);
      }
      row.style.transform = `translateY(${this.topOf(at)}px)`;
      next = row;
    }
    this.options.onRender?.(this.rows);
  }

  /** Scrolls as little as is needed to see a row. @param {number} at */
  reveal(at) {
    const { scroller, rowHeight } = this.options;
    const top = this.topOf(at);
    const height = rowHeight + Math.min(this.extra.get(at) ?? 0, scroller.clientHeight / 2);
    const room = scroller.clientHeight - this.head();
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height > scroller.scrollTop + room) scroller.scrollTop = top + height - room;
    this.render();
  }

  /** How many rows a page has. */
  pageSize() {
    const room = this.options.scroller.clientHeight - this.head();
    return Math.max(1, Math.floor(room / this.options.rowHeight) - 1);
  }
}

/**
 * Tells assistive technology which row of a tree is active, and how long its level is.
 *
 * @param {HTMLElement} tree what has the focus
 * @param {VirtualList} list
 * @param {import("./timeline_rows.js").Row[]} rows what the list shows
 * @param {string | null} active a row's key
 */
export function markActive(tree, list, rows, active) {
  let id = null;
  for (const [at, row] of list.rows) {
    const isActive = rows[at]?.key === active;
    row.setAttribute("aria-selected", String(isActive));
    row.setAttribute("aria-setsize", String(rows[at]?.siblings ?? 1));
    if (isActive) id = row.id;
  }
  if (id === null) tree.removeAttribute("aria-activedescendant");
  else tree.setAttribute("aria-activedescendant", id);
}
