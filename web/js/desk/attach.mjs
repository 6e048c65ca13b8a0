// Connects the desk to a node: its hidden "desk" text, the clip that is linked, what its widgets say.

import { heldBy, sayerOf } from "../held.mjs";
import { isLinked, linkInto, nodeInto } from "../links.mjs";
import { modelOf } from "../model.mjs";
import { attachEditor } from "../paths/attach.mjs";
import { clipOf, linkedClips, linkedPicture, viewUrl } from "../paths/picture.mjs";
import { t } from "../words.mjs";
import { DeskEditor } from "./editor.mjs";
import { Server } from "./server.mjs";

const AUTO = "auto"; // what a fit begins with that is left to the model
const SETTINGS = ["fps", "fit", "prompt", "negative_prompt"];

const DESK = {
  value: "desk",
  name: "desk_editor",
  smallest: 600,
  width: 980,
  room: 60,
  make: (onCommit, { api }) => new DeskEditor(onCommit, new Server((route, options) => api.fetchApi(route, options))),
  see,
};

export function attachDesk(node, host) {
  attachEditor(node, host, DESK);
}

// The file that is linked counts, else what the node showed of its clip after its last run. That counts too where a
// node between may have changed the file's frames, until another file is chosen.
function see({ node, api, last }, { isStale }) {
  const settings = settingsOf(node, api);
  return { ...clipSeen({ node, api, last }, isStale), settings, waiting: waitingFor(node, settings) };
}

function clipSeen({ node, api, last }, isStale) {
  const linked = linkedPicture(node, api, "clip");
  const files = last?.vace_clip;
  const isShown = files?.length && isLinkedAtAll(node);
  if (linked && (linked.isWhole || isStale || !isShown)) return { picture: linked, clip: clipOf(linked), info: null };
  if (!isShown) return { picture: null, clip: null, info: null };
  const [{ filename, subfolder = "", type }] = files;
  const [told] = last.vace_clip_info ?? [];
  const info = told ? { width: told.width, height: told.height, frames: told.frames, fps: told.fps } : null;
  const urls = files.map((file) => viewUrl(api, file));
  return { picture: { kind: "image", urls }, clip: { file: filename, subfolder, type }, info };
}

function isLinkedAtAll(node) {
  return (node.inputs ?? []).some(({ name }, slot) => name === "clip" && nodeInto(node, slot));
}

// A VIDEO has a rate of its own.
function isVideo(node) {
  return (node.inputs ?? []).some(
    ({ name }, slot) => name === "clip" && isLinked(node, slot) && linkInto(node, slot)?.type === "VIDEO",
  );
}

function settingsOf(node, api) {
  const from = (name) => sayerOf(node, name, "desk");
  const found = SETTINGS.map((name) => [name, heldBy(from(name), name).value]);
  const settings = Object.fromEntries(found.filter(([, value]) => value !== undefined));
  if (isVideo(node)) delete settings.fps;
  const pictures = linkedClips(from("pictures"), api, "pictures");
  const [control] = linkedClips(from("control"), api, "control");
  const { name } = modelOf(from("model"));
  if (name !== undefined) settings.profile = name;
  return { ...settings, ...(pictures.length ? { pictures } : {}), ...(control ? { control } : {}) };
}

// Why no sheet would be that of a run, or nothing.
function waitingFor(node, { fit, fps, profile }) {
  if (fit === undefined) return t("fit comes from another node: what the model gets is not known before a run.");
  const isLeft = String(fit).startsWith(AUTO) || fps === 0;
  if (profile !== undefined || !isLeft || !modelOf(sayerOf(node, "model", "desk")).isLinked) return "";
  return t("The linked model is not known before a run, and fit or fps is left to it. Link VACE Model, or set them.");
}
