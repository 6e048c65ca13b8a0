// The state of one desk and what may be done to it: that of the path editor, with objects in place of paths.

import { TINTS } from "../paths/colours.mjs";
import * as edits from "../paths/edits.mjs";
import { boxAt } from "../paths/motion.mjs";
import { Session } from "../paths/session.mjs";
import { t } from "../words.mjs";
import { shapeAt, strokesAt } from "./carry.mjs";
import * as entries from "./entries.mjs";
import { LIMITS, countPoints, readDesk, writeDesk } from "./format.mjs";
import { pasted } from "./pasting.mjs";
import * as shapes from "./shapes.mjs";

export class DeskSession extends Session {
  constructor(listeners) {
    super(listeners);
    this.clip = null; // {width, height, frames} of what is drawn on, once it is known
    this.state.tool = "box";
    this.state.brush = 0.06; // of the frame's width
    this.state.live = null; // the stroke that is being drawn
    this.state.points = null; // of a selection: {id, time, inside, outside, before}
    this.state.busy = ""; // what the server is asked for
  }

  get aspect() {
    const { width, height } = this.state.pixels;
    return width / height;
  }

  read(text) {
    const read = readDesk(text);
    this.drawnOn = read.clip ?? null;
    return read.kind === "desk" ? { kind: "paths", paths: entries.entriesOf(read.objects, this.aspect) } : read;
  }

  write(paths) {
    this.drawnOn = this.clip ?? this.drawnOn;
    return writeDesk(entries.objectsOf(paths), this.drawnOn);
  }

  refusal(paths) {
    const objects = entries.masksOf(paths);
    if (objects.length > LIMITS.objects) return t("There is room for {count} objects. Remove some first.", { count: LIMITS.objects });
    const strokes = objects.map((object) => object.shapes.flatMap((shape) => shape.strokes));
    const isTooMuch =
      paths.some(({ keys }) => keys.length > LIMITS.keys) ||
      strokes.some((list) => list.length > LIMITS.strokes || countPoints(list) > LIMITS.points) ||
      this.write(paths).length > LIMITS.text;
    return isTooMuch && t("There is no room for more strokes or keys in this object. Begin another one.");
  }

  // A shape stays where it is in its box: where an edit changes only keys, shapes go along.
  rebased(paths) {
    const before = new Map(this.history.state.paths.map((entry) => [entry.id, entry]));
    return paths.map((entry) => {
      const old = entry.goal ? undefined : before.get(entry.id);
      const isMoved = old && old.keys !== entry.keys && old.shapes === entry.shapes && entry.shapes.length;
      return isMoved ? shapes.rebased(entry, old, this.aspect) : entry;
    });
  }

  preview(paths, changes) {
    super.preview(this.rebased(paths), changes);
  }

  commit(paths, changes) {
    super.commit(this.rebased(paths), changes);
  }

  get objectIndex() {
    return entries.ownerOf(this.state.paths, this.state.selected);
  }

  get object() {
    return this.state.paths[this.objectIndex];
  }

  get goal() {
    return this.state.paths[entries.goalIndex(this.state.paths, this.object)];
  }

  changeObject(id, changes) {
    this.commit(entries.changeObject(this.state.paths, id, changes));
  }

  previewObject(id, changes) {
    this.preview(entries.changeObject(this.state.paths, id, changes));
  }

  replace(object, changes = {}) {
    this.commit(
      this.state.paths.map((entry) => (entry.id === object.id ? object : entry)),
      changes,
    );
  }

  // What the shared parts change of entry number `index`: a name or a colour is that of object and goal.
  change(index, changes) {
    const { paths } = this.state;
    const owner = paths[entries.ownerOf(paths, index)];
    const isShared = "label" in changes || "colour" in changes;
    if (isShared) this.commit(entries.changeObject(paths, owner.id, changes), { selected: index });
    else super.change(index, changes);
  }

  setAction(action) {
    const { object } = this;
    if (!object || object.action === action) return;
    const box = edits.tidyBox(boxAt(object, 0));
    const picture = action === "replace" ? object.picture || 1 : object.picture;
    const numbered = entries.changeObject(this.state.paths, object.id, { picture });
    const paths = entries.withAction(numbered, object.id, action, box);
    const index = paths.findIndex(({ id }) => id === object.id);
    this.commit(paths, { selected: action === "move" ? index + 1 : index });
  }

  newObject(keys, ownShapes = []) {
    const { paths } = this.state;
    const masks = entries.masksOf(paths);
    const used = new Set(masks.map(({ colour }) => colour.join()));
    return {
      id: entries.newId(),
      label: edits.freeLabel(paths, `${t("Object")} 1`),
      order: masks.length ? Math.max(...masks.map(({ order }) => order)) + 1 : 0,
      colour: TINTS.find((tint) => !used.has(tint.join())) ?? TINTS[masks.length % TINTS.length],
      action: "remove",
      prompt: "",
      picture: 0,
      grow: 0,
      feather: 0,
      strength: 1,
      smooth: "auto",
      keys,
      shapes: ownShapes,
    };
  }

  add(object, changes = {}) {
    const { paths } = this.state;
    this.commit([...paths, object], { selected: paths.length, ...changes });
  }

  addBox(box) {
    const time = edits.tidyTime(this.state.time);
    this.add(this.newObject([{ time, ...edits.tidyBox(box) }]), { drawing: false, tool: "select" });
  }

  addStroke(stroke) {
    const { object, aspect, isEditable } = this;
    const { time } = this.state;
    if (!isEditable) return;
    const takes = stroke.kind === "erase" || stroke.kind === "cut";
    if (!object && takes) return this.show({ message: t("Choose an object first: this takes away from it.") });
    if (object) return this.replace(shapes.withStroke(object, stroke, time, aspect));
    return this.add(shapes.withStroke(this.newObject([]), stroke, time, aspect));
  }

  // The object as it looks with the stroke that is being drawn.
  withLive(object) {
    const { live, time } = this.state;
    return live && object.id === this.object?.id ? shapes.withStroke(object, live, time, this.aspect) : object;
  }

  newShape() {
    const { object, aspect } = this;
    if (object) this.replace(shapes.withShapeAt(object, this.state.time, aspect));
  }

  removeShape() {
    const { object } = this;
    const index = object ? shapeAt(object.shapes, this.state.time) : -1;
    if (index >= 0) this.replace(shapes.withoutShape(object, index));
  }

  // The shape that begins at this time, or -1.
  get shapeHere() {
    const { time } = this.state;
    return this.object?.shapes.findIndex((shape) => Math.abs(shape.time - time) <= this.near) ?? -1;
  }

  select(selected, key = -1) {
    this.show({ selected, key, points: this.state.paths[selected]?.id === this.state.points?.id ? this.state.points : null });
  }

  removeObject() {
    if (this.object) this.commit(entries.withoutObject(this.state.paths, this.object.id));
  }

  remove() {
    const { key } = this.state;
    if (key < 0) this.removeObject();
    else this.removeKeyOf(this.state.selected, key);
  }

  removeKeyOf(index, key) {
    const { paths } = this.state;
    const entry = paths[index];
    if (entry.keys.length === (entry.goal ? 2 : 1)) {
      this.show({ message: t(entry.goal ? "A path needs two keys." : "An object needs one key. Delete the object instead.") });
    } else this.commit(edits.removeKey(paths, index, key));
  }

  toggleKey() {
    const { selected, time } = this.state;
    if (!this.path) return;
    if (this.keyHere >= 0) this.removeKeyOf(selected, this.keyHere);
    else this.addKey(selected, time);
  }

  reorder(by) {
    const { paths } = this.state;
    const masks = entries.masksOf(paths);
    const moved = edits.reorder(masks, masks.indexOf(this.object), by);
    if (moved === masks) return;
    this.commit(moved.reduce((all, { id, order }) => entries.changeObject(all, id, { order }), paths));
  }

  // Keys in place of those that the tracker found before, from `from` to `to`; those by hand stay.
  addTracked(id, from, to, keys) {
    const object = this.state.paths.find((entry) => entry.id === id);
    if (!object) return;
    const [low, high] = [Math.min(from, to), Math.max(from, to)];
    const kept = object.keys.filter((key) => !(key.tracked && key.time >= low - 1e-9 && key.time <= high + 1e-9));
    const added = keys.filter((key) => edits.keyNear(kept, key.time, this.near) < 0);
    const all = [...kept, ...added].sort((a, b) => a.time - b.time);
    this.replace({ ...object, keys: all }, { busy: "" });
  }

  // Keys that were drawn while time ran, in place of those from the first to the last of them.
  addRecorded(index, keys) {
    const { paths } = this.state;
    const [from, to] = [keys[0].time, keys.at(-1).time];
    const others = paths[index].keys.filter(({ time }) => time < from - 1e-9 || time > to + 1e-9);
    const all = [...others, ...keys].sort((a, b) => a.time - b.time);
    this.commit(edits.changePath(paths, index, { keys: all }), { selected: index });
  }

  copied() {
    const object = entries.objectsOf(this.state.paths).find(({ id }) => id === this.object?.id);
    return object ? writeDesk([object]) : null;
  }

  paste(text) {
    const found = pasted(text, this.state.pixels);
    if (found?.points) return this.onPoints?.(found.points);
    if (!found?.objects?.length) {
      return this.show({ message: t("The clipboard holds nothing that can be drawn: no object, path, points or boxes.") });
    }
    const { paths } = this.state;
    const masks = entries.masksOf(paths);
    const copies = edits
      .addCopies(masks, found.objects)
      .slice(masks.length)
      .map((copy, i) => this.placed(shapes.setAside(copy, found.objects[i], this.aspect), masks));
    const added = copies.flatMap(entries.entryOf);
    return this.commit([...paths, ...added], { selected: paths.length });
  }

  // A copy with a name, and a colour of its own.
  placed(copy, masks) {
    const { colour, label } = this.newObject([]);
    const named = { ...copy, label: copy.label || label };
    const isTaken = masks.some((mask) => mask.colour.join() === copy.colour.join());
    return isTaken || copy.colour.every((part) => part === 0) ? { ...named, colour } : named;
  }

  // What is selected so far at this time, for the selection by points.
  strokesHere() {
    return this.object ? strokesAt(this.object, this.state.time, this.aspect) : [];
  }
}
