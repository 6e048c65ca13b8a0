// The sentences of a node, one a line, in a widget as high as they are.

import { after } from "../after.mjs";
import { isOfElsewhere } from "../jobs.mjs";

const NAME = "vace_notes";
const ERROR = "vace_error";
const MARGIN = 8; // pixels around the widget
const PICTURES = /^(\$\$canvas-image-preview|video-preview)$/; // how ComfyUI names what it shows below the widgets
const ZOOMED = 6; // pixels by which letters are wider at some zooms, where a line may break earlier
const HIGHEST = 240; // pixels: more is scrolled
const LEAST = 54; // the same where another node stands close below: three lines
const TITLE = 30; // pixels that a node's title stands above its position
const [FOOT, ROW] = [8, 4]; // pixels that Nodes 2.0 draws more than a node says, and more for each widget

const CSS = `
.vace-notes {
  box-sizing: border-box; width: 100%; height: 100%; overflow: auto; padding: 6px 9px; border-radius: 6px;
  background: color-mix(in srgb, var(--input-text, #ddd) 6%, transparent);
  color: var(--input-text, #ddd); font: 12px/1.4 Inter, system-ui, sans-serif; overflow-wrap: break-word;
  cursor: text; user-select: text; -webkit-user-select: text; scrollbar-width: thin;
}
.vace-notes.vace-error {
  background: color-mix(in srgb, #e0304a 22%, var(--comfy-input-bg, #222)); border: 1px solid #e0304a;
}
.vace-notes p { margin: 0; }
.vace-notes p + p { margin-top: 5px; }
.vace-notes-ruler { position: absolute; left: -9999px; top: 0; height: auto; visibility: hidden; }
`;

export function attachNotes(node) {
  after(node, "onExecuted", (output) => showNotes(node, output));
  after(node, "onResize", () => fit(node, { grow: false }));
}

// What stopped the node, above its notes; only the last.
export function showError(node, text) {
  const before = widgetOf(node, ERROR)?.heights.before ?? node.size[1];
  say(node, ERROR, text);
  const widget = widgetOf(node, ERROR);
  if (widget) widget.heights = { before, after: node.size[1] };
}

// Takes it away, and the height that it needed unless somebody has set another since.
export function hideError(node) {
  const widget = widgetOf(node, ERROR);
  if (!widget) return;
  const { before, after } = widget.heights;
  node.widgets.splice(node.widgets.indexOf(widget), 1);
  widget.onRemove?.(); // which takes the element out of the page
  if (node.size[1] === after) node.setSize([node.size[0], before]);
  node.graph?.setDirtyCanvas(true, true);
}

// The text of an `output` as ComfyUI sends it: a text, or a list of one. None leaves the node as it is.
export function showNotes(node, output) {
  if (!isOfElsewhere(output)) say(node, NAME, output?.text);
}

function say(node, name, text) {
  const said = (Array.isArray(text) ? text.join("\n") : (text ?? "")).trim();
  if (!said) return;
  const widget = widgetOf(node, name) ?? add(node, name);
  const lines = said.split("\n").filter((line) => line.trim());
  widget.element.replaceChildren(...lines.map(paragraph));
  fit(node, { grow: true });
}

function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

function add(node, name) {
  addStyle();
  const element = document.createElement("div");
  element.className = name === ERROR ? "vace-notes vace-error" : "vace-notes";
  // A text is marked with the mouse, not the node moved; long ones are scrolled, not the graph zoomed.
  element.addEventListener("wheel", (event) => {
    if (element.scrollHeight > element.clientHeight + 1) event.stopPropagation();
  });
  const widget = node.addDOMWidget(name, name, element, {
    serialize: false,
    hideOnZoom: false,
    margin: MARGIN,
    getMinHeight: () => heightOf(widget),
    getMaxHeight: () => heightOf(widget),
  });
  widget.serialize = false;
  moveBefore(node, widget, name === ERROR ? new RegExp(`${NAME}|${PICTURES.source}`) : PICTURES);
  return widget;
}

// Older frontends draw a picture over all that stands below it.
function moveBefore({ widgets }, widget, others) {
  const first = widgets.findIndex(({ name }) => others.test(name));
  if (first < 0) return;
  widgets.splice(widgets.indexOf(widget), 1);
  widgets.splice(first, 0, widget);
}

function heightOf(widget) {
  return (widget?.textHeight ?? 0) + 2 * MARGIN;
}

// The node grows where the sentences find no room, but not over what stands below it; it is never made smaller.
function fit(node, { grow }) {
  const widgets = [ERROR, NAME].map((name) => widgetOf(node, name)).filter(Boolean);
  for (const widget of widgets) measure(node, widget);
  const drawn = globalThis.LiteGraph?.vueNodesMode ? FOOT + ROW * node.widgets.length : 0;
  let over = node.computeSize()[1] + drawn - Math.max(node.size[1], roomOf(node));
  for (const widget of widgets.reverse()) {
    const less = Math.max(0, Math.min(over, widget.textHeight - LEAST));
    widget.textHeight -= less;
    over -= less;
    widget.element.style.maxHeight = `${widget.textHeight}px`; // Nodes 2.0 asks the element
  }
  if (grow) node.setSize([node.size[0], Math.max(node.size[1], node.computeSize()[1])]);
  node.graph?.setDirtyCanvas(true, true);
}

// How high the node can be before it lies over the next one below.
function roomOf(node) {
  const [[x, y], [width]] = [node.pos, node.size];
  const others = (node.graph?.nodes ?? node.graph?._nodes ?? []).filter(({ pos, size }) => {
    return pos[1] - TITLE > y && pos[0] < x + width && x < pos[0] + size[0];
  });
  return Math.min(...others.map(({ pos }) => pos[1] - TITLE - MARGIN - y));
}

function measure(node, widget) {
  const ruler = widget.element.cloneNode(true);
  ruler.classList.add("vace-notes-ruler");
  ruler.style.maxHeight = "none";
  ruler.style.width = `${node.size[0] - 2 * MARGIN - ZOOMED}px`;
  document.body.append(ruler);
  widget.textHeight = Math.min(ruler.offsetHeight, HIGHEST);
  ruler.remove();
}

function paragraph(line) {
  const element = document.createElement("p");
  element.textContent = line;
  return element;
}

function addStyle() {
  if (document.getElementById("vace-notes-style")) return;
  const style = document.createElement("style");
  style.id = "vace-notes-style";
  style.textContent = CSS;
  document.head.append(style);
}
