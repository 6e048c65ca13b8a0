// The desk: puts its parts together. It knows no ComfyUI; `attach.mjs` connects it to a node.

import { Backdrop } from "../paths/backdrop.mjs";
import { PathClipboard } from "../paths/clipboard.mjs";
import { make } from "../paths/elements.mjs";
import { listenToKeys, makeCatcher } from "../paths/keyboard.mjs";
import { Player } from "../paths/player.mjs";
import { TimelineGestures } from "../paths/scrubbing.mjs";
import { addStyle } from "../paths/style.mjs";
import { t } from "../words.mjs";
import { Asking } from "./asking.mjs";
import { Bar } from "./bar.mjs";
import { Clip } from "./clip.mjs";
import { DeskGestures } from "./gestures.mjs";
import { Inspector } from "./inspector.mjs";
import { DeskNotice } from "./notice.mjs";
import { Rail, toolKeys } from "./rail.mjs";
import { DeskTimeline } from "./rows.mjs";
import { DeskSession } from "./session.mjs";
import { Sheet } from "./sheet.mjs";
import { DeskStage } from "./stage.mjs";
import { addDeskStyle } from "./style.mjs";

export class DeskEditor {
  // `onCommit(text)` gets the JSON of every finished edit, `server` asks the pack's routes.
  constructor(onCommit, server) {
    addStyle();
    addDeskStyle();
    this.session = new DeskSession({ onCommit: (text) => this.commit(text, onCommit), onChange: () => this.redraw() });
    const { session } = this;
    this.seen = {};
    this.player = new Player(session);
    this.clip = new Clip(server, () => this.fit(), (message) => session.show({ message }));
    this.backdrop = new Backdrop(() => this.fit(), () => (this.clip.reference ? this.clip : null));
    this.backdrop.moment = (time) => this.clip.moment(time);
    this.asking = new Asking(session, server, () => this.seen.clip ?? null);
    this.catcher = makeCatcher();
    this.clipboard = new PathClipboard(session, this.catcher);
    this.stage = new DeskStage(this.backdrop, session);
    this.bar = new Bar(session, { clipboard: this.clipboard, onZoom: () => this.wholeClip() });
    this.rail = new Rail(session);
    this.inspector = new Inspector(session, { onTrack: (to) => this.asking.track(to) });
    this.timeline = new DeskTimeline(session, {
      onPlay: () => this.player.toggle(),
      onColour: (index) => this.bar.chooseColour(index, this.timeline.element.offsetHeight + this.sheet.element.offsetHeight),
    });
    this.sheet = new Sheet(server);
    this.notice = new DeskNotice(session);
    this.stage.element.append(this.notice.element);
    const board = make("div", { class: "vd-board" }, this.rail.element, this.stage.element);
    const left = make("div", { class: "vd-left" }, board, this.timeline.element, this.sheet.element);
    this.element = make(
      "div",
      { class: "vace-paths vace-desk" },
      this.catcher,
      this.bar.element,
      make("div", { class: "vd-middle" }, left, this.inspector.element),
      this.bar.help,
      this.bar.colours,
    );
    this.listen();
    this.fit();
  }

  listen() {
    const onStart = () => this.begin();
    const { session, stage } = this;
    const onPoint = (place, isOutside) => this.asking.point(place, isOutside);
    this.gestures = new DeskGestures(stage, session, { onStart, onPoint });
    new TimelineGestures(this.timeline, session, { onStart });
    const size = (by) => () => this.bar.resize(by);
    const more = { ...toolKeys(this.rail), "[": size(-4), "]": size(4), 0: () => this.wholeClip() };
    listenToKeys(this.catcher, session, { onPlay: () => this.player.toggle(), onEscape: () => this.escape(), more });
    this.catcher.addEventListener("keydown", (event) => this.duplicate(event));
    // A press anywhere takes the keyboard and keeps it, but leaves fields and texts alone.
    const isField = (event) => event.target.closest("input, textarea, select, pre, label, .vd-sheet");
    const press = (event) => {
      if (!event.target.closest(".vp-panel, .vp-swatch, .vp-tools")) this.bar.closePanels();
      if (event.button === 0 && !isField(event)) this.takeKeys();
    };
    this.element.addEventListener("pointerdown", press, { capture: true });
    this.element.addEventListener("mousedown", (event) => isField(event) || event.preventDefault());
    this.resizes = new ResizeObserver(() => this.fit());
  }

  duplicate(event) {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "d") return;
    event.preventDefault();
    event.stopPropagation();
    if (this.session.object && this.session.isEditable) this.session.paste(this.session.copied());
  }

  open() {
    this.resizes.observe(this.stage.element);
    this.gestures.listenToWheel();
  }

  takeKeys() {
    this.catcher.focus({ preventScroll: true });
    this.catcher.select(); // some browsers copy only what is selected
  }

  begin() {
    this.player.stop();
    this.session.show({ message: "" });
  }

  escape() {
    const { session, bar } = this;
    if (bar.hasPanel) {
      bar.closePanels();
      this.redraw();
    } else if (session.state.tool !== "select") session.show({ tool: "select", drawing: false, live: null });
    else session.select(-1);
  }

  wholeClip() {
    this.stage.look(0);
    this.redraw();
  }

  load(text) {
    this.session.load(text);
  }

  commit(text, onCommit) {
    onCommit(text);
    this.askSheet();
  }

  // `picture` as `picture.mjs` finds it, `clip` as the routes know it, `info` what a run told of it, `settings` those of
  // the node, `waiting` why it cannot be told what the model gets.
  see(seen) {
    this.seen = seen;
    this.clip.see(seen.clip ?? null, seen.info);
    this.backdrop.show(seen.picture);
    if (seen.clip?.example && !this.backdrop.frames && this.clip.info) this.backdrop.byFrames();
    const { state } = this.session;
    if (state.linked !== seen.linked) this.session.show({ linked: seen.linked });
    this.fit();
    this.askSheet();
  }

  askSheet() {
    const { session, seen } = this;
    const hasObjects = session.state.paths.length > 0 && !session.state.linked;
    this.sheet.see({ desk: session.text, clip: seen.clip ?? null, settings: seen.settings ?? {}, waiting: seen.waiting ?? "", hasObjects: hasObjects && Boolean(seen.clip) });
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage.element;
    const { width, height, frames, fps } = this.pixels;
    const { session } = this;
    Object.assign(session.state, { pixels: { width, height }, frames, fps, hasPicture: Boolean(this.backdrop.size) });
    session.clip = this.isKnown ? { width, height, frames } : null;
    if (clientWidth && clientHeight) this.stage.layOut(clientWidth, clientHeight, width / height);
    this.tellChange();
    this.redraw();
  }

  get isKnown() {
    return Boolean(this.clip.info);
  }

  // The clip's size and length: the server's word, else the picture's, else what the text was drawn on.
  get pixels() {
    const usual = { width: 832, height: 480, frames: 81, fps: 16, ...this.session.drawnOn };
    return { ...usual, ...this.backdrop.size, ...this.clip.info };
  }

  // Says once that the clip is not the one that was drawn on.
  tellChange() {
    const { drawnOn, clip, state } = this.session;
    if (!drawnOn || !clip || !state.paths.length) return;
    const words = [drawnOn, clip].map(({ width, height, frames }) => t("{width} × {height}, {frames} frames", { width, height, frames }));
    if (words[0] === words[1] || this.told === words.join()) return;
    this.told = words.join();
    const [before, now] = words;
    this.session.show({ message: t("The clip is another one than was drawn on ({before}, now {now}). The drawing is kept, in parts of the frame.", { before, now }) });
  }

  redraw() {
    this.request ??= requestAnimationFrame(() => {
      this.request = undefined;
      this.draw();
    });
  }

  draw() {
    const { state: own } = this.session;
    const state = own.linked ? { ...own, paths: [], locked: null, selected: -1 } : own;
    this.backdrop.seek(state.time);
    this.element.classList.toggle("vp-locked", !this.session.isEditable);
    this.stage.element.classList.toggle("vp-pictured", state.hasPicture);
    this.stage.draw(state);
    this.timeline.draw(state);
    this.bar.draw(state, this.stage.zoom);
    this.rail.draw(state);
    this.inspector.draw(state);
    this.notice.draw(state);
  }

  close() {
    this.player.stop();
    this.sheet.close();
    this.clip.close();
    this.resizes.disconnect();
    this.gestures.close();
  }
}
