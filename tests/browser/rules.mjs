// Reads questions as JSON from stdin and answers them with the editor's own modules. For test_same_rules.py.

import { readFileSync } from "node:fs";
import { linkedClips } from "../../web/js/paths/picture.mjs";
import { readPaths, writePaths } from "../../web/js/paths/format.mjs";
import { strokesAt, strokesOnPath } from "../../web/js/desk/carry.mjs";
import { readDesk, writeDesk } from "../../web/js/desk/format.mjs";
import { Clip } from "../../web/js/desk/clip.mjs";
import { DeskSession } from "../../web/js/desk/session.mjs";
import { COLOURS, colourTypes } from "../../web/js/colours/types.mjs";
import { CHINESE } from "../../web/js/words/chinese.mjs";
import { runOf, saidBy } from "../../web/js/plan/said.mjs";
import { bordersOf, drawnFrames, secondsOf, snapped, ticks } from "../../web/js/plan/scale.mjs";
import { sorted } from "../../web/js/templates/sorted.mjs";
import { boxAt } from "../../web/js/paths/motion.mjs";

// The first of some nodes, into each of which the next one goes.
function chained([kind, ...others], more = {}) {
  const [type, isBypassed] = kind.split(" (");
  const from = others.length ? chained(others, more) : null;
  const own = Object.entries({ file: "film.mp4", video: "film.mp4", ...more }).map(([name, value]) => ({ name, value }));
  const widgets = from ? [] : own;
  const inputs = from ? [{ name: "clip", type: "IMAGE,VIDEO", link: 1 }] : [];
  return { type, mode: isBypassed ? 4 : 0, inputs, widgets, getInputNode: () => from, getInputLink: () => ({ origin_slot: 0 }) };
}

// The text after each of some deeds of a desk: [name of a method or setter, what it is given …].
function desk({ text = "", deeds }) {
  let now = text;
  const session = new DeskSession({ onCommit: (written) => (now = written), onChange: () => {} });
  session.load(text);
  // What a drag of the selected box does, and an answer of the tracker for all that comes.
  session.commitBox = (box) => session.commit(session.withBox(box).paths);
  session.trackAll = (keys) => session.addTracked(session.object.id, 0, 1, keys);
  return deeds.map(([name, ...given]) => {
    session[name](...given);
    return now;
  });
}

// What the last of some nodes says of its plan, after a run that told `told` of it, if any: {kind, widgets, links},
// the links by input, each from [number of a node, slot].
function said({ nodes, told, then = {} }) {
  const made = nodes.map(({ kind, widgets = {}, links = {} }) => ({
    comfyClass: kind,
    widgets: Object.entries(widgets).map(([name, value]) => ({ name, value })),
    inputs: [...new Set([...Object.keys(widgets), ...Object.keys(links)])].map((name) => ({ name })),
    links,
    isInputConnected(slot) {
      return this.inputs[slot].name in this.links;
    },
    getInputLink(slot) {
      const link = this.links[this.inputs[slot].name];
      return link && { origin_id: link[0], origin_slot: link[1] };
    },
    getInputNode(slot) {
      return made[this.links[this.inputs[slot].name]?.[0]] ?? null;
    },
  }));
  const node = made.at(-1);
  const run = told ? runOf({ vace_plan: [told] }, node) : null;
  Object.assign(node.links, then);
  return saidBy(node, run);
}

const ANSWERS = {
  said,
  desk,
  // Of a plan as the route answers it.
  plan: ({ plan }) => ({ borders: bordersOf(plan), drawn: drawnFrames(plan) }),
  snapped: ({ frames, group }) => snapped(frames, group),
  templates: ({ found }) => sorted(found),
  seconds: ({ seconds }) => secondsOf(seconds),
  ticks: ({ ruler }) => ticks(ruler),
  chinese: () => Object.keys(CHINESE),
  colours: () => COLOURS,
  // What a table of colours holds after palettes were loaded into it, one after the other.
  palettes: ({ palettes }) => {
    const table = {};
    colourTypes(table);
    for (const palette of palettes) Object.assign(table, palette);
    return table;
  },
  "read desk": ({ text }) => readDesk(text).kind,
  "rewrite desk": ({ text }) => {
    const { objects, clip } = readDesk(text);
    return writeDesk(objects, clip);
  },
  // What each object's mask is made of, frame by frame; `there` where its path takes it.
  strokes: ({ text, frames, aspect, there }) =>
    readDesk(text).objects.map((object) =>
      Array.from({ length: frames }, (_, i) => {
        const time = frames > 1 ? i / (frames - 1) : 0;
        return there ? strokesOnPath(object, object.path, time, aspect) : strokesAt(object, time, aspect);
      }),
    ),
  // What the routes are told of the clip behind some nodes, the last of which is a loader.
  linked: ({ kinds, widgets }) => linkedClips(chained(["VaceDesk", ...kinds], widgets), { apiURL: (path) => path }, "clip"),
  // The second of a file that is shown at each of some times of a clip, of which a loader leaves frames out.
  moments: ({ reference, info, times }) => {
    const clip = Object.assign(new Clip(), { reference, info });
    return times.map((time) => clip.moment(time));
  },
  read: ({ text }) => readPaths(text).kind,
  rewrite: ({ text }) => writePaths(readPaths(text).paths),
  boxes: ({ text, frames }) =>
    readPaths(text).paths.map((path) =>
      Array.from({ length: frames }, (_, i) => Object.values(boxAt(path, frames > 1 ? i / (frames - 1) : 0))),
    ),
};

const questions = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(questions.map((question) => ANSWERS[question.ask](question))));
