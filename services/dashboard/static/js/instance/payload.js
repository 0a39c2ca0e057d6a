// @ts-check
/** Payloads as text: pretty-printed, coloured, searched and cut. No DOM. */

/** So many characters are shown at once; the rest is a click away. */
export const SHOWN_CHARS_MAX = 64 * 1024;
/** Above this text is shown without colours: each colour is an element of the page. */
export const COLOURED_CHARS_MAX = 256 * 1024;
export const MATCHES_MAX = 5000;

/**
 * @typedef {{kind: "key" | "string" | "number" | "literal", start: number, end: number}} Token
 * @typedef {{text: string, kind: Token["kind"] | null, match: number | null}} Piece match: its
 *   number when it is one, or part of one
 */

/**
 * JSON indented by two blanks, or null where it is none. Numbers keep their digits: 1.0 and
 * 12345678901234567890 would not survive `JSON.parse`. What is escaped though it can be read is
 * shown as it reads: Python escapes every letter beyond ASCII.
 *
 * @param {string} text
 * @returns {string | null}
 */
export function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return indent(text);
}

/** Deeper ones begin no further in: with depth alone a text would grow by its square. */
const INDENTED_LEVELS_MAX = 40;
const JSON_PART = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** @param {string} text valid JSON */
function indent(text) {
  const parts = text.match(JSON_PART) ?? [];
  /** @type {string[]} */
  const out = [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, INDENTED_LEVELS_MAX))}`;
  parts.forEach((part, at) => {
    if (part === "{" || part === "[") {
      out.push(part);
      if (closes(parts[at + 1])) return;
      depth += 1;
      out.push(line());
    } else if (closes(part)) {
      if (!opens(parts[at - 1])) {
        depth -= 1;
        out.push(line());
      }
      out.push(part);
    } else if (part === ",") out.push(part, line());
    else if (part === ":") out.push(": ");
    else out.push(part.startsWith('"') ? readable(part) : part);
  });
  return out.join("");
}

const ESCAPES = /((?:\\u[0-9a-fA-F]{4})+)|\\[^u]/g;
/** Quotes and backslashes; and what cannot be seen, or turns the direction of what stands beside. */
const UNREADABLE = /["\\]|\p{C}|\p{Default_Ignorable_Code_Point}|(?!\u3000)\p{Z}/gu;
const EMOJI = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]$/u;
const ESCAPE_CHARS = "\\uffff".length;

/**
 * A string of JSON with its escapes of readable characters written out.
 *
 * @param {string} text
 */
function readable(text) {
  if (!text.includes("\\u")) return text;
  return text.replace(ESCAPES, (all, /** @type {string | undefined} */ run) => {
    if (run === undefined) return all;
    // All at once: a character may be two escapes.
    /** @type {string} */
    const decoded = JSON.parse(`"${run}"`);
    return decoded.replace(UNREADABLE, (sign, /** @type {number} */ at) => {
      const joins = sign === "\u200d" || sign === "\ufe0f";
      if (joins && EMOJI.test(decoded.slice(Math.max(0, at - 2), at))) return sign;
      return run.slice(at * ESCAPE_CHARS, (at + sign.length) * ESCAPE_CHARS);
    });
  });
}

/** @param {string | undefined} part */
function opens(part) {
  return part === "{" || part === "[";
}

/** @param {string | undefined} part */
function closes(part) {
  return part === "}" || part === "]";
}

const TOKEN =
  /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;

/**
 * @param {string} text JSON
 * @returns {Token[]}
 */
export function tokens(text) {
  return Array.from(text.matchAll(TOKEN), (match) => {
    const start = match.index;
    if (match[1] !== undefined) {
      const kind = match[2] === undefined ? "string" : "key";
      return { kind, start, end: start + match[1].length };
    }
    const kind = /[tfn]/.test(match[0][0]) ? "literal" : "number";
    return { kind, start, end: start + match[0].length };
  });
}

/**
 * Where `query` stands in the text, whatever its case.
 *
 * @param {string} text
 * @param {string} query
 * @returns {{start: number, end: number}[]}
 */
export function search(text, query) {
  if (query === "") return [];
  // Not toLowerCase: it changes the length of some letters, and positions with it.
  const pattern = new RegExp(query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
  const found = [];
  for (const match of text.matchAll(pattern)) {
    found.push({ start: match.index, end: match.index + match[0].length });
    if (found.length >= MATCHES_MAX) break;
  }
  return found;
}

/**
 * The text in pieces that have one colour and are inside or outside a match.
 *
 * @param {string} text
 * @param {Token[]} coloured in order
 * @param {{start: number, end: number}[]} matches in order
 * @returns {Piece[]}
 */
export function pieces(text, coloured, matches) {
  /** @type {Piece[]} */
  const out = [];
  let at = 0;
  let token = 0;
  let match = 0;
  while (at < text.length) {
    while (token < coloured.length && coloured[token].end <= at) token += 1;
    while (match < matches.length && matches[match].end <= at) match += 1;
    const inToken = token < coloured.length && coloured[token].start <= at;
    const inMatch = match < matches.length && matches[match].start <= at;
    const end = Math.min(
      edge(coloured[token], inToken, text.length),
      edge(matches[match], inMatch, text.length),
    );
    out.push({
      text: text.slice(at, end),
      kind: inToken ? coloured[token].kind : null,
      match: inMatch ? match : null,
    });
    at = end;
  }
  return out;
}

/**
 * @param {{start: number, end: number} | undefined} range
 * @param {boolean} isInside
 * @param {number} last
 */
function edge(range, isInside, last) {
  if (range === undefined) return last;
  return Math.min(last, isInside ? range.end : range.start);
}

/**
 * The beginning of a text, at a line's end where there is one near.
 *
 * @param {string} text
 * @param {number} [charsMax]
 */
export function cut(text, charsMax = SHOWN_CHARS_MAX) {
  if (text.length <= charsMax) return text;
  const line = text.lastIndexOf("\n", charsMax);
  const end = line > charsMax * 0.9 ? line : charsMax;
  // Never between the halves of a surrogate pair.
  const isHalf = /[\uD800-\uDBFF]/.test(text[end - 1]);
  return text.slice(0, isHalf ? end - 1 : end);
}

/**
 * What lies in the payload store: `bytes` and `file` are null where that is unknown, `problem` says
 * why the content is not shown.
 *
 * @typedef {{token: string, bytes: number | null, file: string | null, problem: string | null}}
 *   Stored
 */

const STORED = /^file:v1:[0-9a-f]{64}$/;

/**
 * Whether a payload lies in the payload store, and this text stands in its place.
 *
 * @param {string | null | undefined} text
 */
export function isToken(text) {
  return typeof text === "string" && STORED.test(text);
}

/**
 * Where a payload lies, in words.
 *
 * @param {Stored} stored
 */
export function placeOf({ token, bytes, file, problem }) {
  const size = bytes === null ? "" : `, ${bytesText(bytes)}`;
  const place = `In the payload store${size}: ${file ?? token}.`;
  return problem === null ? place : `${place} Its content is not shown: ${problem}.`;
}

/**
 * "17 B", "64.0 KiB", "1.2 MiB": of the text in UTF-8.
 *
 * @param {string} text
 */
export function sizeOf(text) {
  return bytesText(new TextEncoder().encode(text).length);
}

/** @param {number} bytes */
function bytesText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
