// @ts-check
/** The sequence diagram as SVG: lifelines, activations, arrows with their words. */

import { el, icon, svg } from "./element.js";
import { BAR, BAR_STEP, GUTTER, HEAD, ROW } from "./sequence_layout.js";
import { durationText } from "./step_facts.js";
import { textWidth } from "./timeline_bars.js";

/**
 * @typedef {import("./sequence_model.js").Sequence} Sequence
 * @typedef {import("./sequence_drawing.js").Message} Message
 * @typedef {import("./sequence_model.js").Activation} Activation
 * @typedef {import("./sequence_calls.js").Participant} Participant
 * @typedef {import("./sequence_layout.js").Layout} Layout
 */

const LABEL_CHARS_MAX = 64;
const TOGGLE = 14;
/** @type {Record<Participant["kind"], string>} */
const ICONS = {
  client: "worker",
  orchestration: "orchestration",
  activity: "activity",
  child: "child",
  timer: "timer",
  event: "event",
  entity: "entity",
};

/** The head that stays in sight. @param {Sequence} sequence @param {Layout} layout */
export function drawHead(sequence, layout) {
  const head = el("div", { class: "sq-head" });
  head.style.width = `${layout.width}px`;
  head.style.height = `${HEAD}px`;
  sequence.participants.forEach((participant, at) => {
    const box = el(
      "div",
      {
        class: `sq-participant is-${participant.kind}`,
        title: `${participant.label} · ${participant.detail}`,
      },
      icon(ICONS[participant.kind]),
      el("span", { class: "cut" }, participant.label),
    );
    const width = layout.columns[at] - 16;
    box.style.left = `${(layout.x.get(participant.id) ?? 0) - width / 2}px`;
    box.style.width = `${width}px`;
    head.append(box);
  });
  return head;
}

/**
 * When each message was, at the left.
 *
 * @param {Sequence} sequence
 * @param {Layout} layout
 * @param {number} origin
 */
export function drawTimes(sequence, layout, origin) {
  const times = el("div", { class: "sq-times", "aria-hidden": true });
  times.style.width = `${GUTTER}px`;
  times.style.height = `${layout.height}px`;
  let last = "";
  sequence.messages.forEach((message, at) => {
    const sign = message.time < origin ? "−" : "+";
    const text = sign + durationText(Math.abs(message.time - origin));
    if (text === last) return;
    last = text;
    const label = el("span", {}, text);
    label.style.top = `${layout.y(at) - 8}px`;
    times.append(label);
  });
  return times;
}

/**
 * @param {Sequence} sequence
 * @param {Layout} layout
 * @param {(message: Message) => string} sentence what is read out
 */
export function drawBody(sequence, layout, sentence) {
  const { width, height } = layout;
  const body = svg("svg", {
    class: "sq-svg",
    width,
    height,
    role: "list",
    "aria-label": "Messages",
  });
  body.append(markers());
  for (const { id } of sequence.participants) {
    const x = layout.x.get(id) ?? 0;
    body.append(svg("line", { class: "sq-life", x1: x, x2: x, y1: 0, y2: height }));
  }
  for (const activation of sequence.activations) body.append(drawActivation(activation, layout));
  const bars = new Map(sequence.activations.map((one) => [`${one.participant} ${one.from}`, one]));
  const ends = new Map(sequence.activations.map((one) => [`${one.participant} ${one.to}`, one]));
  sequence.messages.forEach((message, at) => {
    const from = edge(message.from, at, layout, message.kind === "return" ? ends : bars);
    const to = edge(message.to, at, layout, bars);
    body.append(drawMessage(message, at, from, to, layout, sentence(message)));
  });
  return body;
}

/**
 * Where a lifeline is touched: at its activation's level, where one begins or ends here.
 *
 * @param {string} id
 * @param {number} at
 * @param {Layout} layout
 * @param {Map<string, Activation>} bars
 */
function edge(id, at, layout, bars) {
  const level = bars.get(`${id} ${at}`)?.level ?? 0;
  return (layout.x.get(id) ?? 0) + level * BAR_STEP;
}

function markers() {
  const defs = svg("defs");
  for (const [name, path] of [
    ["call", "M0 0 L8 4 L0 8 Z"],
    ["return", "M0.5 0.5 L7.5 4 L0.5 7.5"],
    ["failed", "M0.5 0.5 L7.5 4 L0.5 7.5"],
  ]) {
    defs.append(
      svg(
        "marker",
        {
          id: `sq-${name}`,
          class: `sq-marker is-${name}`,
          viewBox: "0 0 8 8",
          refX: 8,
          refY: 4,
          markerWidth: 8,
          markerHeight: 8,
          markerUnits: "userSpaceOnUse",
          orient: "auto-start-reverse",
        },
        svg("path", { d: path }),
      ),
    );
  }
  return defs;
}

/** @param {Activation} activation @param {Layout} layout */
function drawActivation({ participant, from, to, level, state }, layout) {
  const y = layout.y(from);
  const bottom = to === null ? layout.height : layout.y(to);
  return svg("rect", {
    class: `sq-activation is-${state}`,
    x: (layout.x.get(participant) ?? 0) - BAR / 2 + level * BAR_STEP,
    y,
    width: BAR,
    height: Math.max(8, bottom - y),
    rx: 2,
  });
}

/**
 * @param {Message} message
 * @param {number} at
 * @param {number} from
 * @param {number} to
 * @param {Layout} layout
 * @param {string} sentence
 */
function drawMessage(message, at, from, to, layout, sentence) {
  const y = layout.y(at);
  const toRight = to >= from;
  const x1 = from + (toRight ? BAR / 2 : -BAR / 2);
  const x2 = to - (toRight ? BAR / 2 : -BAR / 2);
  const isFailed = message.state === "failed";
  const marker = message.kind === "return" ? (isFailed ? "failed" : "return") : "call";
  const path = from === to ? `M${x1} ${y - 6} h26 v12 h-24` : `M${x1} ${y} H${x2}`;
  const group = svg(
    "g",
    {
      class: `sq-message is-${message.kind}${isFailed ? " is-failed" : ""}${message.call ? " is-open" : ""}`,
      role: "listitem",
      tabindex: -1,
      "data-key": message.key,
      "aria-label": sentence,
    },
    svg("rect", {
      class: "sq-hit",
      x: GUTTER,
      y: y - ROW / 2 - 2,
      width: Math.max(0, layout.width - GUTTER),
      height: ROW,
      rx: 4,
    }),
    svg("path", { class: "sq-arrow", d: path, "marker-end": `url(#sq-${marker})` }),
  );
  group.append(...drawWords(message, x1, x2, y, layout));
  return group;
}

/**
 * @param {Message} message
 * @param {number} x1
 * @param {number} x2
 * @param {number} y
 * @param {Layout} layout
 */
function drawWords(message, x1, x2, y, layout) {
  const label =
    message.label.length > LABEL_CHARS_MAX
      ? `${message.label.slice(0, LABEL_CHARS_MAX)}…`
      : message.label;
  const detail = detailOf(message);
  const toggles =
    message.group !== null || (message.expandKey !== null && message.kind !== "return");
  const width =
    textWidth(label) * 1.04 + (detail ? textWidth(` ${detail}`) : 0) + (toggles ? TOGGLE + 4 : 0);
  const middle = (x1 + x2) / 2;
  const left = Math.min(
    Math.max(GUTTER + 4, middle - width / 2),
    Math.max(GUTTER + 4, layout.width - width - 4),
  );
  const textX = left + (toggles ? TOGGLE + 4 : 0);
  const words = svg("text", { class: "sq-words", x: textX, y: y - 5 }, svg("tspan", {}, label));
  if (detail) words.append(svg("tspan", { class: "sq-detail", dx: 5 }, detail));
  return toggles ? [drawToggle(message, left, y), words] : [words];
}

/**
 * A plus to open, a minus to close.
 *
 * @param {Message} message
 * @param {number} x
 * @param {number} y
 */
function drawToggle(message, x, y) {
  const isOpen = message.isExpanded || message.group !== null;
  const top = y - 16;
  const d = `M${x + 4} ${top + 7} h6${isOpen ? "" : ` M${x + 7} ${top + 4} v6`}`;
  return svg(
    "g",
    { class: "sq-toggle" },
    svg("rect", { x: x + 0.5, y: top + 0.5, width: 13, height: 13, rx: 3 }),
    svg("path", { d }),
  );
}

/** @param {Message} message */
export function detailOf(message) {
  const { spread, duration } = message;
  if (spread !== null) {
    return `${durationText(spread.min)} – ${durationText(spread.max)}, median ${durationText(spread.median)}`;
  }
  return duration === null ? "" : durationText(duration);
}
