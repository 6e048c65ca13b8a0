// What an input of a node will get: the value of its widget, or of the node that is linked into it.

import { isLinked } from "./paths/picture.mjs";

// {value, isKnown}: of other nodes than primitive ones the value is known only once they ran.
export function heldBy(node, name) {
  const slot = slotOf(node, name);
  const widget = node.widgets?.find((one) => one.name === name);
  if (slot < 0 || !isLinked(node, slot)) return { value: widget?.value, isKnown: widget?.value !== undefined };
  const from = node.getInputNode(slot);
  const isPrimitive = /^Primitive/.test(from?.comfyClass ?? from?.type ?? "");
  const given = isPrimitive ? from.widgets?.[0]?.value : undefined;
  return { value: given, isKnown: given !== undefined };
}

export function slotOf(node, name) {
  return (node.inputs ?? []).findIndex((input) => (input.widget?.name ?? input.name) === name);
}
