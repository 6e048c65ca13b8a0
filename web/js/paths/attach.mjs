// Connects an editor to a node: its hidden text, the sizes on its widgets, the picture that goes into it.

import { after } from "../after.mjs";
import { has, heldBy, sayerOf } from "../held.mjs";
import { isOfElsewhere, seenBy } from "../jobs.mjs";
import { isLinked } from "../links.mjs";
import { live } from "../live.mjs";
import { modelOf, numbersOf } from "../model.mjs";
import { PathEditor } from "./editor.mjs";
import { linkedPicture, pictureOf } from "./picture.mjs";

// `value` is the widget with the text, `smallest` the height of the editor and `width` that of a new node in pixels,
// `room` what a new node is higher than it must be. `see(host)` says more of what the editor shall see.
const PATHS = {
  value: "paths",
  name: "paths_editor",
  smallest: 400,
  width: 480,
  room: 60,
  make: (onCommit) => new PathEditor(onCommit),
  see: () => ({}),
};
const NUMBERS = { width: "width", height: "height", length: "frames", fps: "fps" };

export function attachEditor(node, { app, api }, form = PATHS) {
  if (!widgetOf(node, form.value) || widgetOf(node, form.name)) return;
  const host = { node, app, api, form, shown: null, linked: undefined };
  const editor = form.make((text) => write(host, text), host);
  host.editor = editor;
  const widget = node.addDOMWidget(form.name, `vace_${form.name}`, editor.element, {
    serialize: false,
    hideOnZoom: false,
    margin: 6,
    getMinHeight: () => form.smallest,
  });
  widget.serialize = false;
  hide(node, form.value, true);
  hide(node, "box_size", true);
  const least = node.computeSize()[1] + (node.subgraph ? 0 : form.room); // a subgraph comes here after it got its size
  node.setSize([Math.max(node.size[0], form.width), Math.max(node.size[1], least)]);
  listen(host);
  forwardToGraph(editor.element, app);
}

// One change for the graph's own undo, and for the mark that the workflow is not saved.
export function write({ node, app, form }, text) {
  const source = widgetOf(node, form.value);
  app.canvas?.emitBeforeChange?.();
  source.value = text;
  source.callback?.(text, app.canvas, node);
  node.graph?.setDirtyCanvas(true, true);
  app.canvas?.emitAfterChange?.();
}

function listen(host) {
  const { node, editor, form } = host;
  const lookNow = () => look(host);
  after(widgetOf(node, form.value), "callback", lookNow); // typed or set by other scripts
  after(node, "onConfigure", lookNow); // loaded, pasted, undone
  after(node, "onConnectionsChange", lookNow);
  after(node, "onExecuted", (output) => {
    if (isOfElsewhere(output)) return;
    host.shown = output;
    host.linked = linkedNow(host);
    look(host);
  });
  for (const deed of ["pointerdown", "keydown"]) editor.element.addEventListener(deed, lookNow, { capture: true });
  live({ node, app: host.app, editor, look: lookNow, seen: () => [nameOf(host), linkedNow(host)] });
}

function look(host) {
  const { node, editor, app, form } = host;
  if (!node.graph) return; // new, or a copy on its way into a subgraph: `onAdded` looks again
  const value = widgetOf(node, form.value)?.value ?? "";
  editor.load(typeof value === "string" ? value : JSON.stringify(value));
  const isFed = (node.inputs ?? []).some((input, slot) => input.widget?.name === form.value && isLinked(node, slot));
  const hasPoints = isFed || editor.holdsPoints;
  hide(node, form.value, !isFed); // where a link comes in, its row shows it
  hide(node, "box_size", !hasPoints);
  const kept = app.nodeOutputs?.[locator(node)];
  host.last = host.shown ?? (isOfElsewhere(kept) ? undefined : kept);
  const linked = linkedPicture(node, host.api);
  // What the last run showed counts until another file is chosen than it was queued with; points are in pixels of the
  // file itself.
  const then = seenBy(host.last, nameOf(host)) ?? (host.shown ? host.linked : undefined);
  const isStale = then !== undefined && JSON.stringify(linked) !== then;
  const picture = isStale || (hasPoints && linked) ? linked : withFile(pictureOf(host.last, node, host.api), linked);
  editor.see({ frame: frameOf(host), picture, linked: isFed, ...form.see(host, { linked, isStale }) });
}

// What the last run showed may be as small as the model takes it: the file itself, if it comes straight in, looks better.
function withFile(shown, linked) {
  if (!shown) return linked;
  return linked?.isDirect && linked.kind === "image" ? { ...shown, sharper: linked.urls[0] } : shown;
}

function linkedNow({ node, api }) {
  return JSON.stringify(linkedPicture(node, api));
}

function nameOf({ node, form }) {
  return `${form.name} ${locator(node)}`;
}

export function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

function hide(node, name, hidden) {
  const widget = widgetOf(node, name);
  if (!widget || Boolean(widget.hidden) === hidden) return;
  widget.hidden = hidden;
  if (widget.options) widget.options.hidden = hidden; // Nodes 2.0 looks here
  if (hidden)
    widget.computeSize = () => [0, -4]; // old frontends leave a gap otherwise
  else delete widget.computeSize;
  node.graph?.setDirtyCanvas(true, true);
}

// {width, height, frames, fps} as far as they are known, and the names of those that are `unknown`: what is 0 is left to
// the linked model.
export function frameOf({ node, api, form }) {
  const frame = { unknown: [] };
  const own = numbersOf(modelOf(sayerOf(node, "model", form.value)).name, api);
  for (const [name, part] of Object.entries(NUMBERS)) {
    const sayer = sayerOf(node, name, form.value);
    if (!has(sayer, name)) continue;
    const held = Number(heldBy(sayer, name).value);
    const number = held === 0 ? own?.[name] : held;
    if (number > 0) frame[part] = number;
    else frame.unknown.push(name);
  }
  return frame;
}

// How ComfyUI names a node's outputs: by its id, inside a subgraph with that of the subgraph in front.
export function locator(node) {
  const { graph } = node;
  return graph && graph.rootGraph && graph !== graph.rootGraph ? `${graph.id}:${node.id}` : String(node.id);
}

// The wheel zooms and the middle button moves the graph, over the editor too. Where ComfyUI does so itself, the
// events never come here.
export function forwardToGraph(element, app) {
  element.addEventListener("wheel", (event) => {
    const list = event.target.closest(".vp-rows, .vp-help, .vd-inspector, .vd-sheet-body, .vt-words, pre, textarea");
    if (list && list.scrollHeight > list.clientHeight && !event.ctrlKey) return event.stopPropagation();
    event.preventDefault();
    return app.canvas.processMouseWheel(event);
  });
  const middle = { pointerdown: "processMouseDown", pointermove: "processMouseMove", pointerup: "processMouseUp" };
  for (const [name, action] of Object.entries(middle)) {
    element.addEventListener(name, (event) => {
      if (event.button === 1 || event.buttons & 4) app.canvas[action](event);
    });
  }
}
