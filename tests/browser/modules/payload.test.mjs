import assert from "node:assert/strict";
import { test } from "node:test";

import {
  MATCHES_MAX,
  cut,
  isToken,
  pieces,
  placeOf,
  pretty,
  search,
  sizeOf,
  tokens,
} from "../js/instance/payload.js";

test("what is nested without end grows by a bounded indent a line", () => {
  const depth = 40_000;
  const text = "[".repeat(depth) + "]".repeat(depth);
  assert.ok((pretty(text) ?? "").length < text.length * 100);
});

test("JSON is indented and nothing else is changed", () => {
  assert.equal(
    pretty('{"a":[1,2.50,{}],"b":[ ],"c":"x: {,"}'),
    '{\n  "a": [\n    1,\n    2.50,\n    {}\n  ],\n  "b": [],\n  "c": "x: {,"\n}',
  );
});

test("numbers keep the digits that a browser's own would lose", () => {
  assert.equal(
    pretty("[12345678901234567890,1.0,1e400]"),
    "[\n  12345678901234567890,\n  1.0,\n  1e400\n]",
  );
});

test("texts with quotes, brackets and backslashes stay in one piece", () => {
  const text = JSON.stringify({ 'k"}': 'a\\"b]', "</script>": "\u2028" });
  assert.deepEqual(JSON.parse(pretty(text)), JSON.parse(text));
});

test("escapes of what can be read are written out", () => {
  assert.equal(pretty(String.raw`{"\uae40":"\uae40\ubbfc\uc900"}`), '{\n  "김": "김민준"\n}');
  assert.equal(pretty(String.raw`"\ud83d\ude00 \u2764\ufe0f caf\u00e9"`), '"😀 ❤️ café"');
  assert.equal(pretty(String.raw`"\ud83d\udc69\u200d\ud83d\udcbb"`), '"👩‍💻"');
  assert.equal(pretty(String.raw`"\u6771\u3000\u4eac"`), '"東　京"');
});

test("escapes of what cannot be seen, or would mislead, stay as they are", () => {
  const escapes = [
    ...["\\u0000", "\\u001B", "\\u007f", "\\u0022", "\\u005C", "\\n", "\\\\"],
    ...["\\ud83d", "\\udE00", "\\ude00\\ud83d", "\\u202e", "\\u2066", "\\u200f", "\\u061c"],
    ...["\\u200b", "\\u200d", "\\ufeff", "\\u3164", "\\u00a0", "\\u2028", "\\ue000", "\\ufe0f"],
  ];
  for (const escape of escapes) assert.equal(pretty(`"a${escape}b"`), `"a${escape}b"`, escape);
});

test("a backslash that is written as one begins no escape", () => {
  const text = String.raw`"\\uae40 \\\uae40"`;
  assert.equal(pretty(text), String.raw`"\\uae40 \\김"`);
  assert.equal(JSON.parse(pretty(text)), JSON.parse(text));
});

test("a search finds what is shown", () => {
  const shown = pretty(String.raw`["\uae40\ubbfc\uc900"]`);
  assert.equal(search(shown, "민준").length, 1);
  assert.equal(search(shown, "ubbfc").length, 0);
});

test("what is no JSON is not indented", () => {
  assert.equal(pretty("hello"), null);
  assert.equal(pretty(""), null);
  assert.equal(pretty("{'a': 1}"), null);
});

test("a bare value is JSON", () => {
  assert.equal(pretty('"x"'), '"x"');
  assert.equal(pretty(" null "), "null");
});

test("keys, strings, numbers and literals have their colours", () => {
  const text = '{"k": "v", "n": -1.5e3, "t": true, "z": null}';
  assert.deepEqual(
    tokens(text).map(({ kind, start, end }) => [kind, text.slice(start, end)]),
    [
      ["key", '"k"'],
      ["string", '"v"'],
      ["key", '"n"'],
      ["number", "-1.5e3"],
      ["key", '"t"'],
      ["literal", "true"],
      ["key", '"z"'],
      ["literal", "null"],
    ],
  );
});

test("a search ignores case and takes every sign as it is", () => {
  assert.deepEqual(search("a.B a.b axb", "A.b"), [
    { start: 0, end: 3 },
    { start: 4, end: 7 },
  ]);
  assert.deepEqual(search("text", ""), []);
  assert.deepEqual(search("İx", "x"), [{ start: 1, end: 2 }]);
});

test("a search ends where nobody would go on", () => {
  assert.equal(search("a".repeat(MATCHES_MAX * 2), "a").length, MATCHES_MAX);
});

test("pieces put together are the text", () => {
  const text = pretty('{"name":"Ada","list":[1,22,333],"ok":true}');
  const found = search(text, "a");
  const parts = pieces(text, tokens(text), found);
  assert.equal(parts.map((part) => part.text).join(""), text);
  assert.equal(
    new Set(parts.flatMap(({ match }) => (match === null ? [] : [match]))).size,
    found.length,
  );
});

test("a match may go across colours", () => {
  const text = '{"a": 1}';
  const parts = pieces(text, tokens(text), search(text, '": 1'));
  assert.deepEqual(
    parts.filter(({ match }) => match === 0).map((part) => part.text),
    ['"', ": ", "1"],
  );
});

test("a long text is cut at a line's end, never inside a letter", () => {
  assert.equal(cut("short"), "short");
  assert.equal(cut(`${"x".repeat(95)}\n${"y".repeat(50)}`, 100), "x".repeat(95));
  assert.equal(cut(`${"x".repeat(9)}😀😀`, 10), "x".repeat(9));
});

test("sizes are those on the wire", () => {
  assert.equal(sizeOf("é"), "2 B");
  assert.equal(sizeOf("x".repeat(65_536)), "64.0 KiB");
  assert.equal(sizeOf("x".repeat(3 * 1024 * 1024)), "3.0 MiB");
});

test("a token is a whole text, and nothing that only looks like one", () => {
  const token = `file:v1:${"0a".repeat(32)}`;
  assert.ok(isToken(token));
  for (const other of [null, undefined, "", `"${token}"`, `${token}0`, token.toUpperCase()]) {
    assert.ok(!isToken(other), String(other));
  }
});

test("where a payload lies is told, and why it is not shown", () => {
  const token = `file:v1:${"0a".repeat(32)}`;
  const there = { token, bytes: 2048, file: "/data/payloads/0a/0a0a", problem: null };
  assert.equal(placeOf(there), "In the payload store, 2.0 KiB: /data/payloads/0a/0a0a.");
  const elsewhere = { token, bytes: null, file: null, problem: "no directory" };
  assert.equal(
    placeOf(elsewhere),
    `In the payload store: ${token}. Its content is not shown: no directory.`,
  );
});
