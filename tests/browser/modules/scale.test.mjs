import assert from "node:assert/strict";
import { test } from "node:test";

import { boundsOf, clamp, pan, tickLabel, ticks, timeAt, xOf, zoom } from "../js/instance/scale.js";

const ORIGIN = 1_795_000_000_000;
const view = (start, end) => ({ start: ORIGIN + start, end: ORIGIN + end });
const labels = (span, width = 800) => ticks(view(0, span), ORIGIN, width).map(({ label }) => label);

test("time goes to a place and back", () => {
  const seen = view(100, 300);
  assert.equal(xOf(seen, ORIGIN + 200, 800), 400);
  assert.equal(timeAt(seen, 400, 800), ORIGIN + 200);
});

test("ticks are counted as people count", () => {
  assert.deepEqual(labels(1000), ["0", "+200 ms", "+400 ms", "+600 ms", "+800 ms", "+1.0 s"]);
  assert.deepEqual(labels(60_000).slice(0, 3), ["0", "+10 s", "+20 s"]);
  assert.deepEqual(labels(2 * 3_600_000).slice(0, 6), [
    "0",
    "+15 m",
    "+30 m",
    "+45 m",
    "+1 h",
    "+1 h 15 m",
  ]);
  assert.deepEqual(labels(9 * 86_400_000).slice(0, 3), ["0", "+2 d", "+4 d"]);
});

test("neighbouring ticks never read the same, however close one looks", () => {
  for (const start of [0, 59_990, 3_599_990, 86_399_000]) {
    for (let span = 0.2; span < 1e9; span *= 3) {
      const found = ticks(view(start, start + span), ORIGIN, 700).map(({ label }) => label);
      assert.equal(new Set(found).size, found.length, `${start} ${span}: ${found}`);
      assert.ok(found.length < 12, `${span}: ${found.length}`);
    }
  }
});

test("before the start stands a minus", () => {
  assert.equal(tickLabel(-500, 100), "−500 ms");
});

test("zooming keeps in its place what is pointed at", () => {
  const bounds = view(0, 1000);
  const closer = zoom(bounds, bounds, 4, ORIGIN + 500);
  assert.equal(closer.end - closer.start, 250);
  assert.equal(xOf(closer, ORIGIN + 500, 800), 400);
});

test("a view never leaves its bounds and never grows beyond them", () => {
  const bounds = view(0, 1000);
  assert.deepEqual(zoom(view(0, 100), bounds, 0.001, ORIGIN), bounds);
  assert.deepEqual(pan(view(800, 900), bounds, 500), view(900, 1000));
  assert.deepEqual(pan(view(100, 200), bounds, -500), view(0, 100));
  assert.deepEqual(clamp(view(-50, 50), bounds), view(0, 100));
});

test("one cannot look closer than time is measured", () => {
  const bounds = view(0, 1000);
  const closest = zoom(bounds, bounds, 1e9, ORIGIN + 500);
  assert.ok(closest.end - closest.start >= 0.09);
});

test("behind the end there is room for a duration, also on a phone", () => {
  for (const width of [120, 400, 1100]) {
    const { end } = boundsOf(ORIGIN, ORIGIN + 1000, width);
    const x = xOf({ start: ORIGIN, end }, ORIGIN + 1000, width);
    assert.ok(width - x >= Math.min(80, width * 0.4) - 1e-3, `${width}: ${x}`);
  }
});

test("what has just begun has bounds too", () => {
  const { start, end } = boundsOf(ORIGIN, ORIGIN, 800);
  assert.ok(end > start);
});
