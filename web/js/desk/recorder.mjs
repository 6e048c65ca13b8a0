// Records a path by hand: while an object is dragged time runs, at the speed of the clip.

import { tidyBox, tidyTime } from "../paths/edits.mjs";
import { boxAt } from "../paths/motion.mjs";

const OFF = 0.004; // of the frame: keys that change less are left out

export class Recorder {
  constructor(session) {
    this.session = session;
  }

  // From where the selected box is held, `point`. `onDone()` is called at the end of the clip.
  start(point, onDone) {
    const { session } = this;
    const { state } = session;
    const time = state.time >= 1 - session.near ? 0 : state.time;
    const seconds = Math.max((state.frames - 1) / state.fps, 0.1);
    Object.assign(this, { onDone, point, from: point, index: state.selected, samples: [] });
    this.box = boxAt(session.path, time);
    this.entry = session.path;
    const began = performance.now() - time * seconds * 1000;
    const tick = (now) => {
      const moment = Math.min(Math.max(now - began, 0) / 1000 / seconds, 1);
      this.take(Math.round(moment / session.step) * session.step);
      if (moment < 1) this.request = requestAnimationFrame(tick);
      else this.finish();
    };
    session.show({ recording: true });
    this.take(time);
    this.request = requestAnimationFrame(tick);
  }

  move(point) {
    this.point = point;
  }

  take(time) {
    const box = { ...this.box, x: this.box.x + this.point.x - this.from.x, y: this.box.y + this.point.y - this.from.y };
    const key = { time: tidyTime(time), ...tidyBox(box) };
    if (this.samples.at(-1)?.time === key.time) this.samples.pop();
    this.samples.push(key);
    const { session, samples, entry } = this;
    const others = entry.keys.filter((other) => other.time < samples[0].time || other.time > key.time);
    const keys = [...others, ...samples].sort((a, b) => a.time - b.time);
    session.preview(
      session.history.state.paths.map((one, i) => (i === this.index ? { ...one, keys } : one)),
      { time: key.time },
    );
  }

  finish() {
    if (!this.samples?.length) return;
    this.halt();
    const keys = fewer(this.samples);
    this.samples = null;
    this.session.addRecorded(this.index, keys);
  }

  cancel() {
    if (!this.samples?.length) return;
    this.halt();
    this.samples = null;
    this.session.cancel();
  }

  halt() {
    cancelAnimationFrame(this.request);
    this.session.state.recording = false;
    this.onDone?.();
  }
}

// The keys without those that a straight line between others meets nearly.
export function fewer(keys) {
  const keep = new Set([0, keys.length - 1]);
  const parts = [[0, keys.length - 1]];
  while (parts.length) {
    const [from, to] = parts.pop();
    let [worst, far] = [-1, OFF];
    for (let i = from + 1; i < to; i++) {
      const s = (keys[i].time - keys[from].time) / (keys[to].time - keys[from].time);
      const distance = Math.hypot(...["x", "y"].map((part) => keys[from][part] * (1 - s) + keys[to][part] * s - keys[i][part]));
      if (distance > far) [worst, far] = [i, distance];
    }
    if (worst < 0) continue;
    keep.add(worst);
    parts.push([from, worst], [worst, to]);
  }
  return keys.filter((_, i) => keep.has(i));
}
