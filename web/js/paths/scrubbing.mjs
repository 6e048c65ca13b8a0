// What a pointer does on the time line: goes to a time, takes a key to another time, adds a key with a double click.

import { clamp, moveKey } from "./edits.mjs";

export class TimelineGestures {
  constructor(timeline, session, { onStart }) {
    Object.assign(this, { timeline, session, onStart, drag: null });
    for (const target of [timeline.ruler, timeline.rows]) {
      target.addEventListener("pointerdown", (event) => this.start(event, target));
      target.addEventListener("pointermove", (event) => this.move(event));
      target.addEventListener("pointerup", (event) => this.end(event));
      target.addEventListener("pointercancel", () => this.stop());
      target.addEventListener("lostpointercapture", () => this.stop());
    }
    timeline.rows.addEventListener("dblclick", (event) => this.addKey(event));
  }

  start(event, target) {
    if (event.button !== 0 || this.drag) return;
    const lane = event.target.closest(".vp-lane");
    if (target === this.timeline.rows && !lane) return; // a name, or nothing
    event.stopPropagation();
    this.onStart();
    target.setPointerCapture(event.pointerId);
    const { session } = this;
    const path = lane ? Number(lane.parentElement.dataset.path) : -1;
    const key = event.target.dataset.key;
    this.drag = {
      path,
      key: key === undefined ? -1 : Number(key),
      paths: session.state.paths,
      clientX: event.clientX,
      moved: false,
      result: null,
    };
    if (this.drag.key >= 0)
      session.show({ selected: path, key: this.drag.key, time: session.state.paths[path].keys[this.drag.key].time });
    else {
      if (lane) session.select(path);
      session.goTo(this.frameAt(event));
    }
  }

  move(event) {
    const { drag, session } = this;
    if (!drag) return;
    event.stopPropagation();
    drag.moved ||= Math.abs(event.clientX - drag.clientX) >= 3;
    if (drag.key < 0) session.goTo(this.frameAt(event));
    else if (drag.moved && session.isEditable) {
      drag.result = moveKey(drag.paths, drag.path, drag.key, this.frameAt(event), session.near);
      session.preview(drag.result.paths, {
        key: drag.result.key,
        time: drag.result.paths[drag.path].keys[drag.result.key].time,
      });
    }
  }

  end(event) {
    const { drag, session } = this;
    if (!drag) return;
    event.stopPropagation();
    this.drag = null;
    if (drag.result && drag.result.paths !== drag.paths) session.commit(drag.result.paths, { key: drag.result.key });
  }

  stop() {
    if (!this.drag) return;
    this.drag = null;
    this.session.cancel();
  }

  addKey(event) {
    const lane = event.target.closest(".vp-lane");
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const row = (lane ?? under?.closest(".vp-lane"))?.parentElement;
    if (!row || under?.dataset.key !== undefined || !this.session.isEditable) return;
    this.session.addKey(Number(row.dataset.path), this.frameAt(event));
  }

  // The time under the pointer, 0..1, at the nearest frame.
  frameAt(event) {
    const shown = this.timeline.ticks.getBoundingClientRect();
    const { step } = this.session;
    return clamp(Math.round((event.clientX - shown.left) / shown.width / step) * step, 0, 1);
  }
}
