// The state of one editor, what may be done to it, and who is told. It knows no DOM and no ComfyUI. The desk's has
// objects in place of paths, and says so in the methods `read`, `write` and `refusal`.

import { t } from "../words.mjs";
import { withTints } from "./colours.mjs";
import * as edits from "./edits.mjs";
import { LIMITS, countKeys, readPaths, writePaths } from "./format.mjs";
import { History } from "./history.mjs";
import { boxAt } from "./motion.mjs";

export class Session {
  // `onCommit(text)` is called with the JSON of every finished edit, `onChange()` whenever something looks different.
  constructor({ onCommit, onChange }) {
    this.onCommit = onCommit;
    this.onChange = onChange;
    this.history = new History({ paths: [], locked: null, text: "" });
    this.count = 0; // objects at the last load or edit
    this.state = {
      paths: [], // never changed in place
      selected: -1, // index of a path
      key: -1, // index of a key of the selected path
      time: 0, // 0..1 of the clip
      drawing: false, // the next drag draws a box, also over others
      playing: false,
      locked: null, // what is shown in place of paths: {reason, points?, text?}
      linked: false, // the paths come from another node
      message: "", // a sentence about what just happened
      rubber: null, // the box that is being drawn
      hasPicture: false,
      pixels: { width: 832, height: 480 }, // of the frame
      frames: 81,
      fps: 16,
      unknown: [], // names of what the node does not say yet: numbers above are stand-ins then
    };
  }

  show(changes) {
    Object.assign(this.state, changes);
    this.onChange();
  }

  // Takes over the text of the widget. It is never rewritten by this: only an edit writes.
  load(text) {
    if (text === this.text) return;
    const read = this.read(text);
    const paths = read.kind === "paths" ? withTints(read.paths) : [];
    const locked = lockOf(read, text);
    this.history.restart({ paths, locked, text });
    this.count = paths.length;
    this.show({ paths, locked, selected: paths.length === 1 ? 0 : -1, key: -1, drawing: false, message: "" });
  }

  read(text) {
    return readPaths(text);
  }

  write(paths) {
    return writePaths(paths);
  }

  // Why there is no room for these paths, or nothing.
  refusal(paths) {
    const isTooMuch = paths.length > LIMITS.paths || countKeys(paths) > LIMITS.keys;
    const limits = { objects: LIMITS.paths, keys: LIMITS.keys };
    return isTooMuch && t("There is room for {objects} objects and {keys} keys. Remove some first.", limits);
  }

  // What the widget holds.
  get text() {
    return this.history.state.text;
  }

  get step() {
    return 1 / Math.max(this.state.frames - 1, 1);
  }

  get near() {
    return this.step * 0.499;
  }

  get path() {
    return this.state.paths[this.state.selected];
  }

  get isEditable() {
    return !this.state.locked && !this.state.linked;
  }

  // Shows paths that are still being dragged.
  preview(paths, changes = {}) {
    this.show({ ...changes, paths });
  }

  cancel() {
    this.show({ paths: this.history.state.paths });
  }

  commit(paths, changes = {}) {
    if (!this.isEditable) return;
    const refusal = this.refusal(paths);
    if (refusal) {
      this.cancel();
      this.show({ message: refusal });
      return;
    }
    const tinted = withTints(paths);
    this.history.push({ paths: tinted, locked: null, text: this.write(tinted) });
    this.tell(changes);
  }

  undo() {
    if (this.state.linked || !this.history.canUndo) return;
    this.history.undo();
    this.tell();
  }

  redo() {
    if (this.state.linked || !this.history.canRedo) return;
    this.history.redo();
    this.tell();
  }

  // Shows and saves the state that the history is at.
  tell(changes = {}) {
    const { paths, locked, text } = this.history.state;
    // Where an object has gone none is selected: a second Delete must not take another one.
    const isFewer = paths.length < this.count;
    const selected = changes.selected ?? (isFewer ? -1 : this.state.selected);
    this.count = paths.length;
    this.show({ key: -1, message: "", ...changes, paths, locked, selected });
    this.onCommit(text);
  }

  goTo(time, changes = {}) {
    this.show({ time: edits.clamp(time, 0, 1), key: -1, ...changes });
  }

  // Goes `by` frames on, from the frame that is nearest.
  stepFrames(by) {
    const frame = Math.round(this.state.time / this.step) + by;
    this.goTo(frame * this.step);
  }

  jumpToKey(by) {
    const keys = this.path?.keys ?? [];
    const ahead =
      by > 0
        ? keys.find(({ time }) => time > this.state.time + 1e-9)
        : keys.findLast(({ time }) => time < this.state.time - 1e-9);
    if (ahead) this.goTo(ahead.time, { key: keys.indexOf(ahead) });
  }

  select(selected, key = -1) {
    this.show({ selected, key });
  }

  addBox(box) {
    const { paths, time } = this.state;
    this.commit(edits.addPath(paths, time, box), { selected: paths.length, drawing: false });
  }

  // The paths with the selected box put to `box` at the current time, and the key that holds it.
  withBox(box) {
    const { paths, selected, time } = this.state;
    return edits.putKey(paths, selected, time, box, this.near);
  }

  nudge(dx, dy) {
    if (!this.path || !this.isEditable) return;
    const box = boxAt(this.path, this.state.time);
    const { paths, key } = this.withBox({ ...box, x: box.x + dx, y: box.y + dy });
    this.commit(paths, { key: this.state.key < 0 ? -1 : key }); // Delete takes a key only if a key was chosen
  }

  get keyHere() {
    return this.path ? edits.keyNear(this.path.keys, this.state.time, this.near) : -1;
  }

  // Adds a key where the box is now, or takes the one that is there away.
  toggleKey() {
    const { paths, selected, time } = this.state;
    if (!this.path) return;
    if (this.keyHere >= 0) this.commit(edits.removeKey(paths, selected, this.keyHere));
    else this.addKey(selected, time);
  }

  addKey(selected, time) {
    const { paths } = this.state;
    const put = edits.putKey(paths, selected, time, boxAt(paths[selected], time), this.near);
    this.commit(put.paths, { selected, key: put.key, time });
  }

  remove() {
    const { paths, selected, key } = this.state;
    if (!this.path) return;
    this.commit(key >= 0 ? edits.removeKey(paths, selected, key) : edits.removePath(paths, selected));
  }

  removeObject() {
    if (this.path) this.commit(edits.removePath(this.state.paths, this.state.selected));
  }

  change(index, changes) {
    this.commit(edits.changePath(this.state.paths, index, changes), { selected: index });
  }

  reorder(by) {
    const moved = edits.reorder(this.state.paths, this.state.selected, by);
    if (moved !== this.state.paths) this.commit(moved);
  }

  // What copying gives: the selected path as JSON that any of these editors, and Python, reads.
  copied() {
    return this.path ? writePaths([this.path]) : null;
  }

  paste(text) {
    const read = readPaths(text);
    if (read.kind !== "paths") {
      this.show({ message: t("The clipboard holds no box path. Copy one first, here or in another editor.") });
      return;
    }
    const { paths } = this.state;
    this.commit(edits.addCopies(paths, read.paths), { selected: paths.length + read.paths.length - 1 });
  }

  // Puts what cannot be edited here aside; undo brings it back as it was.
  startOver() {
    this.state.locked = null;
    this.commit([]);
  }
}

function lockOf(read, text) {
  if (read.kind === "points")
    return { points: read.lists, reason: t("These paths are points from another editor. They are used as they are.") };
  if (read.kind === "unreadable")
    return { text, reason: t("This text is kept as it is, but it cannot be drawn: {reason}.", read) };
  return null;
}
