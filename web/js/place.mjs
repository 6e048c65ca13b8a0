// Undoing, and another tab, make the nodes of a graph anew. Nodes 2.0 then goes on showing what the node before showed
// that had the same number; here the editor of the node that is there now takes that place.

export function takePlace(node, element, app) {
  if (element.isConnected || !node.graph || node.graph !== app.canvas?.graph) return;
  const place = `[data-node-id="${node.id}"] .${element.classList[0]}`;
  document.querySelector(place)?.replaceWith(element);
}
