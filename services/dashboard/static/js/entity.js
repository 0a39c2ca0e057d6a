// @ts-check
/** The page of an entity: signalling an operation. */
import { segment, sendJson } from "./api.js";
import { ask } from "./dialogs.js";
import { polling } from "./region.js";
import { toast } from "./toasts.js";

/** @param {string} id */
async function signal(id) {
  const question = {
    title: `Signal ${id}`,
    says: ["The operation runs after those that wait already. Nobody gets its result."],
    fields: [
      { name: "operation", label: "Operation", required: true },
      { name: "input", label: "Input", kind: /** @type {const} */ ("json"), hint: "JSON" },
    ],
    confirm: "Signal",
  };
  const sent = await ask(question, async ({ operation, input }) => {
    const body = input ? { operation, input } : { operation };
    await sendJson("POST", `/entities/${segment(id)}/signal`, body);
    return operation;
  });
  if (sent === null) return;
  toast(`Signalled ${sent}`);
  polling.now();
}

document.addEventListener("click", (event) => {
  if (!(/** @type {Element} */ (event.target).closest('[data-action="signal"]'))) return;
  void signal(document.getElementById("region")?.dataset.instanceId ?? "");
});
