// @ts-check
/** Where lifelines and arrows stand, in pixels. No DOM. */

/**
 * @typedef {import("./sequence_model.js").Sequence} Sequence
 *
 * @typedef {object} Layout
 * @property {number} width
 * @property {number} height
 * @property {Map<string, number>} x of each participant's lifeline
 * @property {number[]} columns widths, in the order of the participants
 * @property {(at: number) => number} y of a message
 */

export const GUTTER = 76;
export const ROW = 30;
export const HEAD = 44;
export const BAR = 10;
export const BAR_STEP = 4;
const COLUMN_MIN = 132;
const COLUMN_MAX = 240;
const TOP = 26;
const BOTTOM = 24;

/**
 * @param {Sequence} sequence
 * @param {(text: string) => number} measure the width of a text
 * @param {number} room the width that there is
 * @returns {Layout}
 */
export function layOut(sequence, measure, room) {
  const wanted = sequence.participants.map(({ label }) =>
    Math.min(COLUMN_MAX, Math.max(COLUMN_MIN, measure(label) * 1.12 + 64)),
  );
  const sum = wanted.reduce((whole, width) => whole + width, 0);
  // Few lifelines share what room there is, up to a point: arrows across a screen are hard to follow.
  const spare = Math.max(0, room - GUTTER - sum) / Math.max(1, wanted.length);
  const columns = wanted.map((width) => width + Math.min(spare, 80));
  /** @type {Map<string, number>} */
  const x = new Map();
  let left = GUTTER;
  sequence.participants.forEach(({ id }, at) => {
    x.set(id, left + columns[at] / 2);
    left += columns[at];
  });
  return {
    width: left,
    height: TOP + sequence.messages.length * ROW + BOTTOM,
    x,
    columns,
    y: (at) => TOP + at * ROW,
  };
}
