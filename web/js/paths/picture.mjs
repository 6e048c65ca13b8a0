// Finds the picture to draw over: what the node showed after its last run, else the file that is linked to it.

import { isLinked, linkInto, nodeInto } from "../links.mjs";

const VIDEO = /\.(mp4|webm|mov|mkv|m4v|avi|gif\.mp4)$/i;
const LOADERS = {
  LoadImage: "image",
  LoadImageOutput: "image",
  LoadVideo: "file",
  VHS_LoadVideo: "video",
  LoadVideoUpload: "video",
};
const EXAMPLE = "VaceExampleClip"; // draws its clip when it runs: its first frames lie in a folder
const PICTURES = new Set(["IMAGE", "VIDEO"]);
const STACK = "VaceStackReferences"; // several pictures in one socket
const FARTHEST = 12; // nodes between the file and the editor
const PASSING = new Set(["Reroute", "GetVideoComponents"]); // which hand on every frame as it is
const SIZES = new Set(["custom_width", "custom_height"]); // to which a loader cuts its frames
const BYPASSED = 4; // the mode of a node that hands on what comes in

// {kind: "image" or "video", urls} of the `ui` output of `node`, or null. "vace_picture" is ours: ComfyUI does not show
// it a second time below the editor. What a node without a picture shows is not what boxes are drawn over.
export function pictureOf(output, node, api) {
  const takesPicture = (node.inputs ?? []).some(({ type }) => isPicture(type));
  const files = output?.vace_picture ?? (takesPicture ? output?.images : null);
  if (!files?.length || !files[0]?.filename) return null;
  const kind = VIDEO.test(files[0].filename) ? "video" : "image";
  return { kind, urls: files.map((file) => viewUrl(api, file)) };
}

// The same of the file that a loader in front of `node` names, or null; `isDirect` if no node is between, `isWhole` if
// none that may change what it shows. It goes through the input `name`, else through the first with a picture. `clip` is
// how the pack's routes know the file.
export function linkedPicture(node, api, name) {
  let here = node;
  let output; // of `here`, that was linked
  let isWhole = true;
  for (let steps = 0; here && steps < FARTHEST; steps++) {
    const kind = here.comfyClass ?? here.type;
    const isCut = here.widgets?.some(({ name, value }) => SIZES.has(name) && value > 0);
    const way = { isDirect: steps === 1, isWhole: isWhole && !isCut };
    if (LOADERS[kind]) return fileOf(here, LOADERS[kind], api, way);
    if (kind === EXAMPLE) return output === 0 ? exampleOf(here, way) : null;
    isWhole &&= steps === 0 || PASSING.has(kind) || here.mode === BYPASSED;
    const through = steps === 0 && name ? linkedSlot(here, name) : pictureSlot(here);
    output = through === undefined ? undefined : linkInto(here, through)?.origin_slot;
    here = through === undefined ? null : nodeInto(here, through);
  }
  return null;
}

// The clips of all pictures that go into the input `name`, as the pack's routes know them; `changed` where a node
// between may make something else of the file.
export function linkedClips(node, api, name) {
  const slot = linkedSlot(node, name);
  const from = slot === undefined ? null : nodeInto(node, slot);
  const names = (from?.comfyClass ?? from?.type) === STACK ? from.inputs.map((input) => input.name) : null;
  const found = names ? names.map((one) => linkedPicture(from, api, one)) : [linkedPicture(node, api, name)];
  return found.filter(Boolean).map(clipOf);
}

// The clip of a linked picture, as the pack's routes know it.
export function clipOf({ clip, isWhole }) {
  return isWhole ? clip : { ...clip, changed: true };
}

function linkedSlot(node, name) {
  const slot = (node.inputs ?? []).findIndex((input) => input.name === name);
  return slot >= 0 && isLinked(node, slot) ? slot : undefined;
}

// Some inputs take several types.
function isPicture(type) {
  return String(type).split(",").some((one) => PICTURES.has(one));
}

function pictureSlot(node) {
  const slots = [...(node.inputs ?? []).keys()].filter((slot) => isLinked(node, slot));
  return slots.find((slot) => isPicture(node.inputs[slot].type)) ?? (isReroute(node) ? slots[0] : undefined);
}

function isReroute(node) {
  return node.type === "Reroute";
}

function fileOf(node, name, api, way) {
  const value = node.widgets?.find((widget) => widget.name === name)?.value;
  if (typeof value !== "string" || !value) return null;
  const [, path, type = "input"] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value);
  const cut = path.lastIndexOf("/");
  const file = { filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(cut, 0)), type };
  const clip = { file: file.filename, subfolder: file.subfolder, type, ...cutOf(node) };
  return { kind: VIDEO.test(path) ? "video" : "image", urls: [viewUrl(api, file)], ...way, clip };
}

// What a loader leaves out of its file.
function cutOf({ widgets }) {
  const names = { skip: "skip_first_frames", cap: "frame_load_cap", every: "select_every_nth", rate: "force_rate" };
  const found = Object.entries(names).map(([name, widget]) => [name, widgets?.find((one) => one.name === widget)?.value]);
  return Object.fromEntries(found.filter(([name, value]) => typeof value === "number" && value > (name === "every" ? 1 : 0)));
}

function exampleOf(node, way) {
  const scene = node.widgets?.find((widget) => widget.name === "scene")?.value;
  if (typeof scene !== "string") return null;
  const length = node.widgets.find((widget) => widget.name === "length")?.value ?? 17;
  const name = scene.replace(/[^a-z]+/g, "-");
  return { kind: "image", urls: [new URL(`../../examples/${name}.png`, import.meta.url).href], ...way, clip: { example: scene, length } };
}

export function viewUrl(api, { filename, subfolder = "", type = "temp" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}
