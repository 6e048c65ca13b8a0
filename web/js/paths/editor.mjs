// The editor: puts the parts together. It knows no ComfyUI; `attach.mjs` connects it to a node.

import { Backdrop } from "./backdrop.mjs";
import { PathClipboard } from "./clipboard.mjs";
import { make } from "./elements.mjs";
import { StageGestures } from "./gestures.mjs";
import { listenToKeys, makeCatcher } from "./keyboard.mjs";
import { Notice } from "./notice.mjs";
import { Player } from "./player.mjs";
import { TimelineGestures } from "./scrubbing.mjs";
import { Session } from "./session.mjs";
import { Stage } from "./stage.mjs";
import { addStyle } from "./style.mjs";
import { t } from "../words.mjs";
import { Timeline } from "./timeline.mjs";
import { Toolbar } from "./toolbar.mjs";

const SIDES = new Set(["width", "height"]);
const UNKNOWN =
  "Left to the model or another node, and not known yet: {names}. Boxes are kept in parts of the frame and the clip.";

export class PathEditor {
  // `onCommit(text)` gets the JSON of every finished edit.
  constructor(onCommit) {
    addStyle();
    this.session = new Session({ onCommit, onChange: () => this.redraw() });
    this.frame = { unknown: [] }; // what the node says: {width, height, frames, fps}, and the names of what it does not
    this.player = new Player(this.session);
    this.backdrop = new Backdrop(() => this.fit());
    this.catcher = makeCatcher();
    this.clipboard = new PathClipboard(this.session, this.catcher);
    this.stage = new Stage(this.backdrop);
    this.toolbar = new Toolbar(this.session, this.clipboard);
    this.timeline = new Timeline(this.session, {
      onPlay: () => this.player.toggle(),
      onColour: (index) => this.toolbar.chooseColour(index, this.timeline.element.offsetHeight),
    });
    this.notice = new Notice(this.session);
    this.stage.element.append(this.notice.element);
    this.unknown = make("p", { class: "vp-unknown", role: "status", hidden: "" });
    const { help, colours, element: tools } = this.toolbar;
    this.element = make(
      "div",
      { class: "vace-paths" },
      this.catcher,
      tools,
      this.stage.element,
      this.unknown,
      this.timeline.element,
      help,
      colours,
    );
    this.listen();
    this.fit();
  }

  listen() {
    const onStart = () => this.begin();
    new StageGestures(this.stage, this.session, { onStart });
    new TimelineGestures(this.timeline, this.session, { onStart });
    listenToKeys(this.catcher, this.session, { onPlay: () => this.player.toggle(), onEscape: () => this.escape() });
    // A press anywhere takes the keyboard and keeps it, but leaves text fields and texts alone.
    const isText = (event) => event.target.closest("input, pre");
    const press = (event) => {
      if (event.button !== 0 || isText(event)) return;
      if (!event.target.closest(".vp-panel, .vp-swatch, .vp-tools")) this.toolbar.closePanels();
      this.takeKeys();
    };
    this.element.addEventListener("pointerdown", press, { capture: true });
    this.element.addEventListener("mousedown", (event) => isText(event) || event.preventDefault());
    this.resizes = new ResizeObserver(() => this.fit());
  }

  open() {
    this.resizes.observe(this.stage.element);
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
    const { session, toolbar } = this;
    if (!toolbar.help.hidden || !toolbar.colours.hidden) toolbar.closePanels();
    else if (session.state.drawing) session.show({ drawing: false });
    else session.select(-1);
  }

  get holdsPoints() {
    return Boolean(this.session.state.locked?.points);
  }

  load(text) {
    this.session.load(text);
  }

  // `frame` is {width, height, frames, fps} as far as the node has them, with the names of the `unknown` others;
  // `picture` as `picture.mjs` finds it.
  see({ frame, picture, linked }) {
    this.frame = frame;
    this.backdrop.show(picture);
    const { state } = this.session;
    const { frames = 81, fps = 16 } = frame;
    if (state.frames !== frames || state.fps !== fps || state.linked !== linked)
      this.session.show({ frames, fps, linked });
    this.fit();
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage.element;
    const { width, height } = this.pixels;
    const hasPicture = Boolean(this.backdrop.size);
    const unknown = this.frame.unknown.filter((name) => !hasPicture || !SIDES.has(name)); // a picture shows its shape
    Object.assign(this.session.state, { pixels: { width, height }, hasPicture, unknown });
    if (clientWidth && clientHeight) this.stage.layOut(clientWidth, clientHeight, width / height);
    this.redraw();
  }

  // The frame's size: the node's own, else the picture's; else that of the 480p models stands in for it.
  get pixels() {
    const { width, height } = this.frame;
    return width && height ? { width, height } : (this.backdrop.size ?? { width: 832, height: 480 });
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
    this.toolbar.draw(state);
    this.notice.draw(state);
    const names = state.unknown.join(", ");
    this.unknown.hidden = !names;
    this.unknown.textContent = names && t(UNKNOWN, { names });
  }

  close() {
    this.player.stop();
    this.resizes.disconnect();
  }
}
