// @ts-check
/** Starts an orchestration: a new one, or one like another. */
import { ApiError, getJson, segment, sendJson } from "./api.js";
import { zone } from "./clock.js";
import { ask } from "./dialogs.js";
import { fromField } from "./filters.js";
import { isToken, pretty } from "./instance/payload.js";
import { toast, toastLater } from "./toasts.js";

/**
 * @typedef {object} Model
 * @property {string} [name]
 * @property {string | null} [version]
 * @property {string | null} [input] serialized, not always as JSON
 * @property {Record<string, string>} [tags]
 */

/** Names that this task hub has seen. */
async function knownNames() {
  try {
    const answer = await sendJson("POST", "/orchestrations/query", { pagination: { count: 1 } });
    return answer.body.names;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return []; // only suggestions: starting will tell what is wrong
  }
}

/**
 * `name=value`, one a line.
 *
 * @param {string} text
 */
function tagsOf(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

/**
 * @param {Model} model
 * @param {string[]} suggestions
 * @returns {import("./dialogs.js").Field[]}
 */
function fields(model, suggestions) {
  const tags = Object.entries(model.tags ?? {}).map(([name, value]) => `${name}=${value}`);
  const input = model.input ?? "";
  const shown = pretty(input);
  const isOther = input !== "" && shown === null;
  const other = isToken(input)
    ? "It lies in the payload store: this is its token, and is sent in its place."
    : "This is no JSON: it is sent as it stands here, for a worker that can read it.";
  const clock = zone() === "utc" ? "in UTC" : "in local time";
  return [
    { name: "name", label: "Name", value: model.name, required: true, suggestions },
    { name: "instanceId", label: "Instance id", hint: "Left out, it gets one of its own." },
    { name: "version", label: "Version", value: model.version ?? "" },
    {
      name: "input",
      label: "Input",
      kind: "json",
      value: shown ?? input,
      hint: isOther ? other : "JSON",
      tall: model.input !== undefined,
      asIs: isOther,
    },
    { name: "scheduledStartAt", label: "Start at", kind: "time", hint: `A time ${clock}; left out, it starts now.` },
    { name: "tags", label: "Tags", kind: "lines", value: tags.join("\n"), hint: "name=value, one a line" },
  ];
}

/**
 * What was not edited is sent as the model has it: a field may show less than there is.
 *
 * @param {Model} model
 * @param {Set<string>} edited
 */
function untouched(model, edited) {
  const known = Object.entries(model).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(known.filter(([name]) => !edited.has(name)));
}

/**
 * @param {Model} model
 * @param {import("./dialogs.js").Values} values
 * @param {Set<string>} edited
 */
async function send(model, values, edited) {
  const { tags, scheduledStartAt, ...texts } = values;
  const given = Object.entries(texts).filter(([, value]) => value !== "");
  /** @type {Record<string, unknown>} */
  const body = Object.fromEntries(given);
  if (scheduledStartAt) body.scheduledStartAt = fromField(String(scheduledStartAt));
  if (tags) body.tags = tagsOf(String(tags));
  Object.assign(body, untouched(model, edited));
  return (await sendJson("POST", "/orchestrations", body)).body.instanceId;
}

/**
 * Asks, starts, and leads to the new instance.
 *
 * @param {Model} [model]
 */
export async function startNew(model = {}) {
  const question = {
    title: model.name ? "Start one like this" : "Start an orchestration",
    fields: fields(model, await knownNames()),
    confirm: "Start",
  };
  const id = await ask(question, (values, edited) => send(model, values, edited));
  if (id === null) return;
  toastLater(`Started ${id}`);
  location.assign(`/hubs/${document.body.dataset.hub}/orchestrations/${segment(id)}`);
}

/**
 * The same with the name, version, input and tags of another.
 *
 * @param {string} id
 */
export async function startLike(id) {
  const path = `/orchestrations/${segment(id)}`;
  try {
    const [{ body: instance }, { body: payloads }] = await Promise.all([
      getJson(path),
      getJson(`${path}/payloads`),
    ]);
    const { name, version, tags } = instance;
    // What lies in the payload store stays there: it may be larger than what can be sent.
    const input = payloads.stored?.input?.token ?? payloads.input;
    await startNew({ name, version, tags, input });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { bad: true });
  }
}
