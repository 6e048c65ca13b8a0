// Connects an editor to a node: its hidden "paths" text, the sizes on its widgets, the picture that goes into it.

import { after } from "../after.mjs";
import { PathEditor } from "./editor.mjs";
import { isLinked, linkedPicture, pictureOf } from "./picture.mjs";

const VALUE = "paths";
const SMALLEST = 400; // pixels of height
const FIRST_WIDTH = 480;
const ROOM = 60; // pixels more than the least, at first
const LOOK = 400; // milliseconds between two looks at what other nodes and widgets say

export function attachEditor(node, { app, api }) {
  if (!widgetOf(node, VALUE) || widgetOf(node, "paths_editor")) return;
  const editor = new PathEditor((text) => write(node, text, app));
  const host = { node, editor, app, api, shown: null };
  const widget = node.addDOMWidget("paths_editor", "vace_paths_editor", editor.element, {
    serialize: false,
    hideOnZoom: false,
    margin: 6,
    getMinHeight: () => SMALLEST,
  });
  widget.serialize = false;
  hide(node, VALUE, true);
  hide(node, "box_size", true);
  const least = node.computeSize()[1] + (node.subgraph ? 0 : ROOM); // a subgraph comes here after it got its size
  node.setSize([Math.max(node.size[0], FIRST_WIDTH), Math.max(node.size[1], least)]);
  listen(host);
  forwardToGraph(editor.element, app);
  look(host);
}

// One change for the graph's own undo, and for the mark that the workflow is not saved.
function write(node, text, app) {
  const source = widgetOf(node, VALUE);
  app.canvas?.emitBeforeChange?.();
  source.value = text;
  source.callback?.(text, app.canvas, node);
  node.graph?.setDirtyCanvas(true, true);
  app.canvas?.emitAfterChange?.();
}

function listen(host) {
  const { node, editor } = host;
  const lookNow = () => look(host);
  after(widgetOf(node, VALUE), "callback", lookNow); // typed or set by other scripts
  after(node, "onConfigure", lookNow); // loaded, pasted, undone
  after(node, "onConnectionsChange", lookNow);
  after(node, "onExecuted", (output) => {
    host.shown = { picture: pictureOf(output, node, host.api), linked: JSON.stringify(linkedPicture(node, host.api)) };
    look(host);
  });
  for (const deed of ["pointerdown", "keydown"]) editor.element.addEventListener(deed, lookNow, { capture: true });
  // Nothing tells of another file chosen in a loader further up.
  const start = () => {
    editor.open();
    clearInterval(host.timer);
    host.timer = setInterval(() => editor.element.isConnected && look(host), LOOK);
  };
  after(node, "onAdded", start);
  after(node, "onRemoved", () => {
    clearInterval(host.timer);
    editor.close();
  });
  start();
}

function look(host) {
  const { node, editor, app } = host;
  const value = widgetOf(node, VALUE)?.value ?? "";
  editor.load(typeof value === "string" ? value : JSON.stringify(value));
  const isFed = (node.inputs ?? []).some((input, slot) => input.widget?.name === VALUE && isLinked(node, slot));
  const hasPoints = isFed || editor.holdsPoints;
  hide(node, VALUE, !isFed); // where a link comes in, its row shows it
  hide(node, "box_size", !hasPoints);
  const frame = {
    width: number(node, "width"),
    height: number(node, "height"),
    frames: number(node, "length"),
    fps: number(node, "fps"),
  };
  const shown = host.shown ?? { picture: pictureOf(app.nodeOutputs?.[locator(node)], node, host.api) };
  const linked = linkedPicture(node, host.api);
  // What the last run showed counts until another file is chosen; points are in pixels of the file itself.
  const isStale = shown.linked !== undefined && JSON.stringify(linked) !== shown.linked;
  const picture = isStale || (hasPoints && linked) ? linked : withFile(shown.picture, linked);
  editor.see({ frame, picture, linked: isFed });
}

// What the last run showed may be as small as the model takes it: the file itself, if it comes straight in, looks better.
function withFile(shown, linked) {
  if (!shown) return linked;
  return linked?.isDirect && linked.kind === "image" ? { ...shown, sharper: linked.urls[0] } : shown;
}

function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

function hide(node, name, hidden) {
  const widget = widgetOf(node, name);
  if (!widget || Boolean(widget.hidden) === hidden) return;
  widget.hidden = hidden;
  if (hidden)
    widget.computeSize = () => [0, -4]; // old frontends leave a gap otherwise
  else delete widget.computeSize;
  node.graph?.setDirtyCanvas(true, true);
}

function number(node, name) {
  const value = Number(widgetOf(node, name)?.value);
  return value > 0 ? value : undefined;
}

// How ComfyUI names a node's outputs: by its id, inside a subgraph with that of the subgraph in front.
function locator(node) {
  const { graph } = node;
  return graph && graph.rootGraph && graph !== graph.rootGraph ? `${graph.id}:${node.id}` : String(node.id);
}

// The wheel zooms and the middle button moves the graph, over the editor too. Where ComfyUI does so itself, the
// events never come here.
function forwardToGraph(element, app) {
  element.addEventListener("wheel", (event) => {
    const list = event.target.closest(".vp-rows, .vp-help, pre");
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
