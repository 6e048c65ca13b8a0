// Connects the desk to a node: its hidden "desk" text, the clip that is linked, what its widgets say.

import { heldBy } from "../held.mjs";
import { isLinked, linkInto, nodeInto } from "../links.mjs";
import { attachEditor, widgetOf } from "../paths/attach.mjs";
import { clipOf, linkedClips, linkedPicture, viewUrl } from "../paths/picture.mjs";
import { DeskEditor } from "./editor.mjs";
import { Server } from "./server.mjs";

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
  const linked = linkedPicture(node, api, "clip");
  const settings = settingsOf(node, api);
  const files = last?.vace_clip;
  const isShown = files?.length && isLinkedAtAll(node);
  if (linked && (linked.isWhole || isStale || !isShown)) return { picture: linked, clip: clipOf(linked), info: null, settings };
  if (!isShown) return { picture: null, clip: null, info: null, settings };
  const [{ filename, subfolder = "", type }] = files;
  const [told] = last.vace_clip_info ?? [];
  const info = told ? { width: told.width, height: told.height, frames: told.frames, fps: told.fps } : null;
  const urls = files.map((file) => viewUrl(api, file));
  return { picture: { kind: "image", urls }, clip: { file: filename, subfolder, type }, info, settings };
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
  const found = SETTINGS.map((name) => [name, heldBy(node, name).value]);
  const settings = Object.fromEntries(found.filter(([, value]) => value !== undefined));
  if (isVideo(node)) delete settings.fps;
  const pictures = linkedClips(node, api, "pictures");
  const [control] = linkedClips(node, api, "control");
  const chosen = (node.inputs ?? []).findIndex(({ name }) => name === "model");
  const profile = widgetOf((chosen >= 0 && nodeInto(node, chosen)) || {}, "profile")?.value;
  if (profile !== undefined) settings.profile = profile;
  return { ...settings, ...(pictures.length ? { pictures } : {}), ...(control ? { control } : {}) };
}
