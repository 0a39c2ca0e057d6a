// @ts-check
/** Starts an orchestration: a new one, or one like another. */
import { getJson, segment, sendJson } from "./api.js";
import { zone } from "./clock.js";
import { ask } from "./dialogs.js";
import { fromField } from "./filters.js";
import { toast, toastLater } from "./toasts.js";

/** @typedef {{name?: string, version?: string, input?: string, tags?: Record<string, string>}} Model */

/** Names that this task hub has seen. */
async function knownNames() {
  try {
    const answer = await sendJson("POST", "/orchestrations/query", { pagination: { count: 1 } });
    return answer.body.names;
  } catch {
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
  const clock = zone() === "utc" ? "in UTC" : "in local time";
  return [
    { name: "name", label: "Name", value: model.name, required: true, suggestions },
    { name: "instanceId", label: "Instance id", hint: "Left out, it gets one of its own." },
    { name: "version", label: "Version", value: model.version },
    { name: "input", label: "Input", kind: "json", value: model.input, hint: "JSON" },
    { name: "scheduledStartAt", label: "Start at", kind: "time", hint: `A time ${clock}; left out, it starts now.` },
    { name: "tags", label: "Tags", kind: "lines", value: tags.join("\n"), hint: "name=value, one a line" },
  ];
}

/** @param {import("./dialogs.js").Values} values */
async function send(values) {
  const { tags, scheduledStartAt, ...texts } = values;
  const given = Object.entries(texts).filter(([, value]) => value !== "");
  /** @type {Record<string, unknown>} */
  const body = Object.fromEntries(given);
  if (scheduledStartAt) body.scheduledStartAt = fromField(String(scheduledStartAt));
  if (tags) body.tags = tagsOf(String(tags));
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
  const id = await ask(question, send);
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
    await startNew({ name, version: version ?? "", tags, input: payloads.input ?? "" });
  } catch (error) {
    toast(/** @type {Error} */ (error).message, { bad: true });
  }
}
