// Connects the time line to its node: what the node says goes in, and the text of its changes comes out.

import { after } from "../after.mjs";
import { Server } from "../desk/server.mjs";
import { isOfElsewhere, openWorkflow, seenBy } from "../jobs.mjs";
import { live } from "../live.mjs";
import { forwardToGraph, locator, widgetOf, write } from "../paths/attach.mjs";
import { PlanEditor } from "./editor.mjs";
import { originsOf, runOf, saidBy } from "./said.mjs";

const NAME = "plan_timeline";
const VALUE = "changes"; // the widget that a drag writes
const WIDTH = 600; // pixels of a new node
const LOW = 228; // pixels of the time line, at least and at most
const HIGH = 300;
const ROUTE = "/vace/plan/windows";

// What the last run of a node told. Undoing makes the nodes of a graph anew.
const runs = new Map();

export function attachTimeline(node, { app, api }) {
  if (!widgetOf(node, VALUE) || widgetOf(node, NAME)) return;
  const server = new Server((_route, options) => api.fetchApi(ROUTE, options));
  const host = { node, app, form: { value: VALUE } };
  const editor = new PlanEditor({
    ask: (said, signal) => server.ask("", said, signal).then((answer) => answer.json()),
    write: (text) => write(host, text),
    keep: (isInFrames) => (node.properties.plan_in_frames = isInFrames),
  });
  const widget = node.addDOMWidget(NAME, `vace_${NAME}`, editor.element, {
    serialize: false,
    hideOnZoom: false,
    margin: 6,
    getMinHeight: () => LOW,
    getMaxHeight: () => HIGH,
  });
  widget.serialize = false;
  grow(node, WIDTH);
  hidePicture(node);
  listen(host, editor);
  forwardToGraph(editor.element, app);
}

// The picture of a run says what the time line says. Whoever has no time line, or asks the server, still gets it.
function hidePicture(node) {
  node.hideOutputImages = true; // Nodes 2.0 looks here
  Object.defineProperty(node, "imgs", { configurable: true, get: () => undefined, set: () => {} }); // the canvas here
}

function grow(node, width = 0) {
  const [across, down] = node.size;
  node.setSize([Math.max(across, width), Math.max(down, node.computeSize()[1])]);
}

function listen({ node, app }, editor) {
  const name = () => `${NAME} ${locator(node)}`;
  const told = (output) => (isOfElsewhere(output) ? null : runOf(output, node, seenBy(output, name())));
  const look = () => {
    if (!node.graph) return;
    const held = runs.get(name());
    const run = held?.workflow === openWorkflow(app) ? held.run : told(app.nodeOutputs?.[locator(node)]);
    editor.see(saidBy(node, run), Boolean(node.properties?.plan_in_frames));
  };
  for (const widget of node.widgets) if (widget.name !== NAME) after(widget, "callback", look);
  after(node, "onConfigure", () => {
    grow(node); // saved before there was a time line
    look();
  });
  after(node, "onConnectionsChange", look);
  after(node, "onExecuted", (output) => {
    const run = told(output);
    if (run) runs.set(name(), { run, workflow: openWorkflow(app) });
    look();
  });
  live({ node, app, editor, look, seen: () => [name(), originsOf(node)] });
}
