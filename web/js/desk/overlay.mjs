// Paints the masks over the clip as the model will get them, each in the colour of its object, and what moves where it
// will be. What has not changed is not painted again.

import { shownColour } from "../paths/colours.mjs";
import { backToFront } from "../paths/edits.mjs";
import { boxAt } from "../paths/motion.mjs";
import { goalIndex } from "./entries.mjs";
import { Layer, SHARP } from "./layer.mjs";

const STRENGTHS = { keep: 0.25, move: 0.4 }; // how much the colour covers
const [CHOSEN, OTHERS] = [0.62, 0.48];

export class Overlay {
  constructor(element) {
    this.element = element;
    this.layers = new Map(); // by the id of the object
  }

  // `size` is the stage's, `place` the frame's on it, in its pixels; `medium` an image or a video to cut out of.
  draw({ objects, paths, state, size, place, medium }) {
    const context = this.cleared(size);
    context.save();
    context.scale(SHARP, SHARP);
    context.beginPath();
    context.rect(place.x, place.y, place.width, place.height);
    context.clip();
    const chosen = paths[state.selected];
    for (const index of backToFront(objects)) {
      const object = objects[index];
      const layer = this.layer(object, { size, place, time: state.time, pixel: place.width / state.pixels.width });
      const isChosen = object.id === (chosen?.owner ?? chosen?.id);
      this.show(context, object, layer, isChosen);
      const goal = paths[goalIndex(paths, object)];
      if (goal) ghost(context, layer, { object, goal, place, medium, time: state.time });
    }
    context.restore();
    const known = new Set(objects.map(({ id }) => id));
    for (const id of this.layers.keys()) if (!known.has(id)) this.layers.delete(id);
  }

  cleared({ width, height }) {
    const [across, down] = [Math.round(width * SHARP), Math.round(height * SHARP)];
    const context = this.element.getContext("2d");
    if (this.element.width !== across || this.element.height !== down) {
      Object.assign(this.element, { width: across, height: down });
    } else context.clearRect(0, 0, across, down);
    return context;
  }

  // Objects never change, they are replaced: the same one in the same place looks the same.
  layer(object, { size, place, time, pixel }) {
    const where = JSON.stringify([object.keys.length ? boxAt(object, time) : 0, shapeTime(object, time), place, size, pixel]);
    const known = this.layers.get(object.id);
    if (known?.object === object && known.where === where) return known.layer;
    const layer = new Layer(object, { size, place, time, pixel });
    this.layers.set(object.id, { object, where, layer });
    return layer;
  }

  show(context, object, layer, isChosen) {
    if (!layer.fill) return;
    context.globalAlpha = STRENGTHS[object.action] ?? (isChosen ? CHOSEN : OTHERS);
    if (layer.blur > 0.3) context.filter = `blur(${layer.blur}px)`;
    layer.put(context, layer.fill);
    context.filter = "none";
    context.globalAlpha = isChosen ? 1 : 0.75;
    layer.put(context, layer.edge);
    context.globalAlpha = 1;
  }
}

function shapeTime({ shapes }, time) {
  return shapes.findLast((shape) => shape.time <= time)?.time ?? 0;
}

// What was cut out, where the path takes it.
function ghost(context, layer, { object, goal, place, medium, time }) {
  if (!layer.fill) return;
  const cut = layer.cutOut(medium, shownColour(object));
  const [from, to] = [boxAt(object, time), boxAt(goal, time)];
  const at = ({ x, y }) => [place.x + x * place.width, place.y + y * place.height];
  const [x, y] = at(from);
  context.save();
  context.shadowColor = shownColour(object);
  context.shadowBlur = 5 * SHARP;
  context.translate(...at(to));
  context.rotate(((to.angle ?? 0) * Math.PI) / 180);
  context.scale(to.width / from.width, to.height / from.height);
  context.rotate((-(from.angle ?? 0) * Math.PI) / 180);
  context.translate(-x, -y);
  layer.put(context, cut);
  context.restore();
}
