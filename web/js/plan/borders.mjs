// Moves borders: with the mouse, a pen or a finger, and with the arrow keys. Every move is one change of the node.

import { snapped } from "./scale.mjs";

const REST = 500; // milliseconds without a key before a move counts
const FAST = 5; // latent frames that an arrow key with Shift goes

export class Borders {
  // `move(window, frames)` shows a border elsewhere, `commit()` types it, `cancel()` takes it back.
  constructor(track, { canMove, plan, move, commit, cancel, point }) {
    Object.assign(this, { track, canMove, plan, move, commit, cancel, point, drag: null, keyed: null });
    const { handles } = track;
    handles.addEventListener("pointerdown", (event) => this.start(event));
    handles.addEventListener("pointermove", (event) => this.follow(event));
    handles.addEventListener("pointerup", (event) => this.end(event));
    handles.addEventListener("pointercancel", () => this.stop());
    handles.addEventListener("lostpointercapture", () => this.stop());
    handles.addEventListener("pointerover", ({ target }) => this.drag || this.pointAt(target));
    handles.addEventListener("pointerleave", () => this.drag || this.pointAt(document.activeElement));
    handles.addEventListener("focusin", ({ target }) => this.pointAt(target));
    handles.addEventListener("focusout", () => {
      this.settle();
      if (!this.drag) point(null);
    });
    handles.addEventListener("keydown", (event) => this.press(event));
  }

  pointAt(element) {
    const handle = element?.closest?.(".vt-border");
    this.point(handle && this.track.handles.contains(handle) ? { window: Number(handle.dataset.window), isBorder: true } : null);
  }

  start(event) {
    const handle = event.target.closest(".vt-border");
    if (!handle || event.button !== 0 || this.drag) return;
    event.stopPropagation();
    event.preventDefault(); // of the graph and the page: nothing is selected or dragged
    this.settle();
    handle.focus({ preventScroll: true });
    if (!this.canMove()) return;
    handle.setPointerCapture(event.pointerId);
    this.drag = { window: Number(handle.dataset.window), x: event.clientX, group: this.plan().group, frames: 0 };
  }

  follow(event) {
    const { drag, track } = this;
    if (!drag) return;
    event.stopPropagation();
    const frames = snapped((event.clientX - drag.x) * track.framesPerPixel, drag.group);
    if (frames === drag.frames) return;
    drag.frames = frames;
    this.move(drag.window, frames);
  }

  end(event) {
    if (!this.drag) return;
    event.stopPropagation();
    this.drag = null;
    this.commit();
  }

  stop() {
    if (!this.drag) return;
    this.drag = null;
    this.cancel();
  }

  press(event) {
    const handle = event.target.closest(".vt-border");
    if (!handle || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape" && (this.drag || this.keyed)) {
      event.stopPropagation();
      this.forget();
      this.drag = null;
      this.cancel();
    } else if (event.key === "Enter" && this.keyed) this.settle();
    else if (way && this.canMove() && !this.drag) {
      event.preventDefault();
      event.stopPropagation();
      const window = Number(handle.dataset.window);
      const before = this.keyed?.frames ?? 0;
      const { group } = this.plan();
      clearTimeout(this.keyed?.timer);
      const frames = before + way * group * (event.shiftKey ? FAST : 1);
      this.keyed = { frames, timer: setTimeout(() => this.settle(), REST) };
      this.move(window, frames);
    }
  }

  // What the keys did counts from now on.
  settle() {
    if (!this.keyed) return;
    this.forget();
    this.commit();
  }

  forget() {
    clearTimeout(this.keyed?.timer);
    this.keyed = null;
  }
}
