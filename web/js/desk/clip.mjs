// The clip that is drawn on, as the server knows it: its size and length, and frames that the browser cannot show.

import { make } from "../paths/elements.mjs";

const KEPT = 160; // frames
const LONGEST = 1024; // pixels of a frame's longer side

export class Clip {
  // `onKnown()` is called when the size and the length become known, `onRefused(words)` where the clip cannot be read.
  constructor(server, onKnown, onRefused) {
    Object.assign(this, { server, onKnown, onRefused, key: "null" });
    this.forget();
  }

  // Frames go back to the browser, which would hold them until the page is left.
  forget() {
    for (const { src } of this.frames?.values() ?? []) URL.revokeObjectURL(src);
    this.info = null; // {width, height, frames, fps}
    this.frames = new Map();
    this.waiting = null;
  }

  // What comes back after this is asked for anew.
  close() {
    this.forget();
    this.key = "null";
  }

  // `reference` is what the routes take, or null; `info` what is known of it already.
  see(reference, info) {
    const key = JSON.stringify(reference);
    if (key !== this.key) {
      this.forget();
      this.key = key;
      this.reference = reference;
      // Without an answer the node's own numbers count.
      if (reference && !info) this.frame(0).catch(({ message }) => message && key === this.key && this.onRefused(message));
    }
    if (info) this.info = info;
  }

  // An image of the frame at `time`, 0..1. Of several that are asked for at once only the last is fetched.
  async show(time) {
    const number = Math.round(time * Math.max((this.info?.frames ?? 1) - 1, 0));
    if (this.frames.has(number)) return this.frames.get(number);
    this.waiting = number;
    if (this.isBusy) return null;
    this.isBusy = true;
    try {
      let image = null;
      while (this.waiting !== null) {
        const next = this.waiting;
        this.waiting = null;
        image = await this.frame(next);
      }
      return image;
    } catch {
      return null;
    } finally {
      this.isBusy = false;
    }
  }

  async frame(number) {
    if (this.frames.has(number)) return this.frames.get(number);
    const { key, reference, frames } = this;
    const answer = await this.server.ask("frame", { clip: reference, frame: number, longest: LONGEST });
    const url = URL.createObjectURL(await answer.blob());
    const image = make("img", { src: url, alt: "", draggable: "false" });
    try {
      await image.decode();
    } finally {
      if (frames !== this.frames || !image.naturalWidth) URL.revokeObjectURL(url); // of another clip by now, or no image
    }
    if (frames.size >= KEPT) {
      const [oldest] = frames.keys();
      URL.revokeObjectURL(frames.get(oldest).src);
      frames.delete(oldest);
    }
    if (frames === this.frames) frames.set(number, image);
    if (key === this.key && !this.info) this.learn(answer.headers);
    return image;
  }

  learn(headers) {
    const [width, height, frames, fps] = ["Width", "Height", "Frames", "Fps"].map((name) => Number(headers.get(`X-Vace-${name}`)));
    if (!(width && height && frames)) return;
    this.info = { width, height, frames, fps: fps || 16 };
    this.onKnown();
  }

  // The second of the file at a time 0..1: the middle of the frame, so that no rounding takes the one before. A loader
  // may leave out the first frames, and all but every n-th.
  moment(time) {
    const { info } = this;
    const { skip = 0, every = 1 } = this.reference ?? {};
    if (!info || (info.frames <= 1 && !skip)) return undefined;
    return (skip + Math.round(time * (info.frames - 1)) * every + 0.5) / (info.fps * every);
  }
}
