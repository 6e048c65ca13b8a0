// What a node says of its plan before a run: its widgets, the unit and the model that are linked, and its last run.

import { heldBy, slotOf } from "../held.mjs";
import { isLinked, linkInto } from "../links.mjs";
import { modelOf } from "../model.mjs";
import { t } from "../words.mjs";

const WIDGETS = [
  "length",
  "fps",
  "window",
  "overlap",
  "prompts",
  "join_by",
  "anchor_colour",
  "loop",
  "keyframes",
  "changes",
  "saved_plan",
];
const OF_CLIP = new Set(["length", "fps"]); // which a unit says too

// {values, clip, model, isOfLastRun, isEditable} as the route takes them, or {waiting: why there are none yet}.
// `run` is what `runOf` made of the last run, if there was one.
export function saidBy(node, run) {
  const missing = new Set();
  const values = {};
  const fromRun = (name) => (run && run.origins[name] === originOf(node, name) ? run.told : null);
  for (const name of WIDGETS) {
    const { value, isKnown } = heldBy(node, name);
    if (isKnown) values[name] = value;
    else if (fromRun(name)) values[name] = fromRun(name).values[name];
    else missing.add(name);
  }
  const isSaved = String(values.saved_plan ?? "").trim() !== ""; // of what a hand may have put there
  const hasUnit = isLinkedAs(node, "vcu");
  const unit = hasUnit ? fromRun("vcu") : null;
  if (hasUnit || isSaved) for (const name of OF_CLIP) missing.delete(name);
  const chosen = modelOf(node);
  const found = chosen.name ?? fromRun("model")?.model;
  if (hasUnit && !unit && !isSaved) return { waiting: t("The length comes from the linked VCU: the plan is shown here after a run.") };
  if (missing.size) {
    const names = [...missing].join(", ");
    return { waiting: t("What comes from another node: {names}. The plan is shown here after a run.", { names }) };
  }
  if (chosen.isLinked && !found)
    return { waiting: t("The linked model decides how long windows may be: the plan is shown here after a run.") };
  const isEditable = !isLinkedAs(node, "changes");
  return { values, clip: unit?.clip ?? null, model: found ?? null, isOfLastRun: Boolean(unit), isEditable };
}

// What a run told of its plan, and where all that is linked came from when it was queued.
export function runOf(output, node, origins = originsOf(node)) {
  const told = output?.vace_plan?.[0];
  return told ? { told, origins } : null;
}

export function originsOf(node) {
  const names = [...WIDGETS, "vcu", "model"];
  return Object.fromEntries(names.map((name) => [name, originOf(node, name)]));
}

function isLinkedAs(node, name) {
  const slot = slotOf(node, name);
  return slot >= 0 && isLinked(node, slot);
}

function originOf(node, name) {
  if (!isLinkedAs(node, name)) return null;
  const link = linkInto(node, slotOf(node, name));
  return link ? `${link.origin_id}:${link.origin_slot}` : null;
}
