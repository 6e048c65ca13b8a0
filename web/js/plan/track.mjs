// Draws a plan from left to right: ruler, keyframes, prompts, windows with what they share, borders.

import { make } from "../paths/elements.mjs";
import { t } from "../words.mjs";
import { bordersOf, drawnFrames, secondsOf, ticks } from "./scale.mjs";

const NUMBERED = 15; // pixels that a window needs for its number
const COUNTED = 52; // and for its number and frames
const MOST = 400; // windows in sight: more are drawn as one block
const EDGE = 14; // pixels left and right of the frames

export class Track {
  constructor({ onPoint }) {
    this.ruler = make("div", { class: "vt-ruler" });
    this.keys = make("div", { class: "vt-keys" });
    this.stretches = make("div", { class: "vt-stretches" });
    this.windows = make("div", { class: "vt-windows" });
    this.handles = make("div", { class: "vt-handles" });
    const lanes = make("div", { class: "vt-lanes" }, this.stretches, this.windows, this.handles);
    this.inner = make("div", { class: "vt-inner" }, this.ruler, this.keys, lanes);
    this.element = make("div", { class: "vt-scroll" }, this.inner);
    this.drawn = new Map(); // handles by the number of their window, kept so that a drag and the focus stay
    this.windows.addEventListener("pointerover", ({ target }) => {
      const block = target.closest(".vt-window");
      if (block) onPoint({ window: Number(block.dataset.window), isBorder: false });
    });
    this.windows.addEventListener("pointerleave", () => onPoint(null));
    this.element.addEventListener("scroll", () => this.again && this.draw(this.again));
  }

  // Frames that a pixel of the screen is, at whatever scale the graph is shown.
  get framesPerPixel() {
    return this.total / Math.max(this.handles.getBoundingClientRect().width, 1);
  }

  draw(state) {
    this.again = state;
    const { plan, zoom } = state;
    this.inner.hidden = !plan;
    if (!plan) return;
    this.inner.style.width = `${100 * zoom}%`;
    this.total = drawnFrames(plan);
    const width = Math.max(this.element.clientWidth * zoom - 2 * EDGE, 1);
    const view = { ...state, width, at: (frame) => `${(100 * frame) / this.total}%` };
    const [first, last] = this.inSight(width);
    const shown = plan.windows.map((window, number) => ({ ...window, number })).filter(({ begin, end }) => end > first && begin < last);
    this.drawRuler(view, first, last);
    this.drawKeys(view);
    this.drawStretches(view);
    const isCrowded = shown.length > MOST;
    this.windows.replaceChildren(...(isCrowded ? [crowd(shown)] : this.blocks(view, shown)));
    this.drawHandles(view, isCrowded ? [] : bordersOf(plan).filter(({ frame }) => frame >= first && frame <= last));
  }

  // First and last frame that is not scrolled away, and some more.
  inSight(width) {
    const { scrollLeft, clientWidth } = this.element;
    const frames = this.total / width;
    return [(scrollLeft - clientWidth) * frames, (scrollLeft + 2 * clientWidth) * frames];
  }

  drawRuler({ plan, inFrames, width }, first, last) {
    const found = ticks({ total: this.total, fps: plan.fps, width, inFrames });
    const near = found.filter(({ at }) => at * this.total >= first && at * this.total <= last);
    this.ruler.replaceChildren(
      ...near.map(({ at, label }) => make("span", { class: "vt-tick", style: `left: ${100 * at}%` }, label)),
    );
  }

  drawKeys({ plan, inFrames, at }) {
    this.keys.hidden = !plan.keyframes.length;
    this.keys.replaceChildren(
      ...plan.keyframes.map(({ frame, picture }) => {
        const when = inFrames ? frame : secondsOf(frame / plan.fps);
        const title = t("Frame {frame} ({when}) shows picture {picture}", { frame, when, picture });
        return make("span", { class: "vt-key", style: `left: ${at(frame + 0.5)}`, title }, picture);
      }),
    );
  }

  drawStretches({ plan, at }) {
    this.stretches.replaceChildren(
      ...plan.stretches.map(({ begin, end, prompt }, n) => {
        const words = prompt ?? t("the prompt of the VCU");
        const style = `left: ${at(begin)}; width: ${at(end - begin)}`;
        const kind = `vt-stretch vt-hue-${n % 4}${prompt === null ? " vt-unsaid" : ""}`;
        return make("span", { class: kind, style, title: words }, words);
      }),
    );
  }

  blocks({ plan, at, width }, shown) {
    const found = [];
    const every = Math.ceil((NUMBERED * plan.windows.length) / width);
    for (const { begin, end, overlap, number, moved, seed, strength, references } of shown) {
      const pixels = ((end - begin - overlap) / this.total) * width;
      const isChanged = seed !== null || strength !== 1 || references !== null;
      const label = pixels >= NUMBERED || number % every === 0 ? number : "";
      const block = make(
        "div",
        {
          class: `vt-window${number % 2 ? " vt-low" : ""}${isChanged ? " vt-changed" : ""}`,
          style: `left: ${at(begin)}; width: ${at(end - begin)}`,
          "data-window": number,
          "data-moved": moved || null,
        },
        make("b", { style: `left: ${(100 * overlap) / (end - begin)}%` }, label, pixels >= COUNTED ? make("small", {}, t("{count} f", { count: end - begin })) : ""),
      );
      const share = (from, to) => {
        const place = `left: ${(100 * (from - begin)) / (end - begin)}%; width: ${(100 * (to - from)) / (end - begin)}%`;
        block.prepend(make("i", { class: "vt-shared", style: place }));
      };
      if (overlap) share(begin, begin + overlap);
      const behind = plan.windows[number + 1]?.overlap ?? (plan.loop ? end - plan.frames : 0);
      if (behind) share(end - behind, end);
      found.push(block);
    }
    return found;
  }

  drawHandles({ plan, at, inFrames }, borders) {
    const wanted = new Set(borders.map(({ window }) => window));
    for (const [window, handle] of this.drawn) {
      if (wanted.has(window) || handle === document.activeElement) continue;
      handle.remove();
      this.drawn.delete(window);
    }
    for (const { window, frame, isCut, moved } of borders) {
      const handle = this.drawn.get(window) ?? this.newHandle(window);
      handle.style.left = at(frame);
      handle.classList.toggle("vt-cut", isCut);
      handle.classList.toggle("vt-moved", moved !== 0);
      const when = inFrames ? t("frame {frame}", { frame }) : secondsOf(frame / plan.fps);
      handle.setAttribute("aria-valuenow", frame);
      handle.setAttribute("aria-valuetext", moved ? `${when}, ${t("moved by {frames} frames", { frames: moved > 0 ? `+${moved}` : moved })}` : when);
      handle.setAttribute("aria-valuemax", plan.frames);
    }
  }

  newHandle(window) {
    const handle = make("div", {
      class: "vt-border",
      role: "slider",
      tabindex: 0,
      "data-window": window,
      "aria-valuemin": 0,
      "aria-label": t("Border before window {number}", { number: window }),
    });
    this.drawn.set(window, handle);
    const after = [...this.handles.children].find((other) => Number(other.dataset.window) > window);
    this.handles.insertBefore(handle, after ?? null); // Tab goes from left to right
    return handle;
  }
}

function crowd(shown) {
  return make("div", { class: "vt-crowd" }, t("{count} windows: look closer to see them", { count: shown.length }));
}
