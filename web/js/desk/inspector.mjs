// What shall happen with the chosen object: its action, its words, its numbers, how it moves.

import { shownColour } from "../paths/colours.mjs";
import { make } from "../paths/elements.mjs";
import { icon } from "../paths/icons.mjs";
import { EASES } from "../paths/motion.mjs";
import { t } from "../words.mjs";
import { ACTIONS, LIMITS } from "./format.mjs";
import { ACTION_TIPS, ACTION_WORDS } from "./icons.mjs";

const HINTS = {
  remove: "What is behind it, if the scene does not tell",
  generate: "What shall be here",
  replace: "What it is, as in: a red sports car",
  move: "Words for the scene, or nothing",
  control: "What follows the control here",
  keep: "Words for the scene, or nothing",
};
const EASE_WORDS = { linear: "even", in: "starts slowly", out: "ends slowly", "in-out": "slow at both ends" };
const NUMBERS = [
  ["grow", "Grow", -64, 64, 1, "Pixels of the clip by which the area grows, or shrinks"],
  ["feather", "Feather", 0, 64, 1, "Pixels of the clip over which its edge is soft"],
  ["strength", "Strength", 0, LIMITS.strength, 0.05, "How strongly the condition acts here"],
];

export class Inspector {
  // `onTrack(to)` is called with the time to track to.
  constructor(session, { onTrack }) {
    Object.assign(this, { session, onTrack });
    this.swatch = make("i", { class: "vd-swatch" });
    this.title = make("b", {});
    this.hint = make("p", { class: "vd-hint" }, t("Pick a tool and draw on the clip. Then say here what shall happen."));
    this.body = make(
      "div",
      { class: "vd-fields" },
      make("header", {}, this.swatch, this.title),
      this.actions(),
      this.words(),
      this.pictureNumber(),
      ...NUMBERS.map((number) => this.number(...number)),
      this.motion(),
    );
    this.element = make("aside", { class: "vd-inspector", "data-capture-wheel": "true" }, this.hint, this.body);
  }

  actions() {
    this.choices = ACTIONS.map((action) => {
      const title = t(ACTION_TIPS[action]);
      const attributes = { type: "button", class: "vd-action", title, "data-action": action };
      return make(
        "button",
        { ...attributes, onclick: () => this.session.isEditable && this.session.setAction(action) },
        icon(action === "remove" ? "remove" : action),
        make("span", {}, t(ACTION_WORDS[action])),
      );
    });
    return make("div", { class: "vd-actions", role: "group", "aria-label": t("What shall happen") }, ...this.choices);
  }

  words() {
    this.prompt = make("textarea", { rows: 2, class: "vd-prompt", maxlength: LIMITS.prompt, "aria-label": t("Words for this object") });
    this.prompt.addEventListener("change", () => this.set({ prompt: this.prompt.value }));
    for (const deed of ["keyup", "paste", "copy", "cut"]) {
      this.prompt.addEventListener(deed, (event) => event.stopPropagation());
    }
    this.prompt.addEventListener("keydown", keepKey);
    return this.prompt;
  }

  pictureNumber() {
    this.picture = make("input", { type: "number", min: 1, max: 99, step: 1, class: "vd-number", "aria-label": t("Number of the picture") });
    this.picture.addEventListener("change", () => this.set({ picture: Math.max(Math.round(Number(this.picture.value)) || 0, 0) }));
    this.picture.addEventListener("keydown", keepKey);
    this.pictureRow = make("label", { class: "vd-row", title: t("The picture that is linked to the node, counted from 1") }, make("span", {}, t("Picture")), this.picture);
    return this.pictureRow;
  }

  number(name, words, low, high, step, tip) {
    const slider = make("input", { type: "range", min: low, max: high, step, "aria-label": t(words) });
    const field = make("input", { type: "number", step, class: "vd-number", "aria-label": t(words) });
    slider.addEventListener("input", () => this.session.previewObject(this.session.object.id, { [name]: Number(slider.value) }));
    slider.addEventListener("change", () => this.set({ [name]: Number(slider.value) }));
    slider.addEventListener("dblclick", () => this.set({ [name]: name === "strength" ? 1 : 0 }));
    field.addEventListener("change", () => this.set({ [name]: inRange(name, Number(field.value) || 0) }));
    field.addEventListener("keydown", keepKey);
    this.fields = { ...this.fields, [name]: { slider, field } };
    return make("label", { class: "vd-row", title: t(tip) }, make("span", {}, t(words)), slider, field);
  }

  motion() {
    const button = (name, words, tip, action) =>
      make("button", { type: "button", class: "vd-small", title: t(tip), onclick: () => this.session.isEditable && action() }, icon(name), t(words));
    const { session } = this;
    this.back = button("trackBack", "Track", "Follows it back to the start of the clip", () => this.onTrack(0));
    this.on = button("trackOn", "Track", "Follows it to the end of the clip", () => this.onTrack(1));
    this.shape = button("shape", "Shape here", "Gives it a shape of its own from this time on", () => session.newShape());
    this.unshape = button("remove", "Shape", "Takes the shape that begins at this time away", () => session.removeShape());
    this.smooth = button("smooth", "Smooth", "Smooth: no corners at the keys", () => session.change(session.state.selected, { smooth: session.path.smooth ? false : "auto" }));
    this.ease = make("select", { class: "vd-ease", "aria-label": t("Easing"), title: t("How it starts and ends on its path") },
      ...Object.keys(EASES).map((name) => make("option", { value: name }, t(EASE_WORDS[name]))));
    this.ease.addEventListener("change", () => {
      const index = session.state.paths.indexOf(session.goal);
      if (index >= 0 && session.isEditable) session.change(index, { ease: this.ease.value });
    });
    return make("div", { class: "vd-motion" }, this.back, this.on, this.shape, this.unshape, this.smooth, this.ease);
  }

  set(changes) {
    const { session } = this;
    if (session.object && session.isEditable) session.changeObject(session.object.id, changes);
  }

  draw(state) {
    const { session } = this;
    const { object, goal } = session;
    this.hint.hidden = Boolean(object);
    this.body.hidden = !object;
    if (!object) return;
    this.element.style.setProperty("--vp-colour", shownColour(object));
    this.title.textContent = object.label || t("Object");
    for (const choice of this.choices) {
      choice.classList.toggle("vd-on", choice.dataset.action === object.action);
      choice.setAttribute("aria-pressed", String(choice.dataset.action === object.action));
    }
    if (document.activeElement !== this.prompt) this.prompt.value = object.prompt;
    this.prompt.placeholder = t(HINTS[object.action]);
    this.pictureRow.hidden = object.action !== "replace";
    if (document.activeElement !== this.picture) this.picture.value = object.picture || "";
    this.picture.placeholder = t("none");
    for (const [name, { slider, field }] of Object.entries(this.fields)) {
      slider.value = object[name];
      if (document.activeElement !== field) field.value = object[name];
    }
    this.drawMotion(state, object, goal);
  }

  drawMotion(state, object, goal) {
    const { session } = this;
    for (const button of [this.back, this.on]) button.disabled = Boolean(state.busy);
    this.on.classList.toggle("vd-busy", state.busy === "track");
    this.unshape.hidden = session.shapeHere < 0 || object.shapes.length < 2;
    this.shape.hidden = !this.unshape.hidden;
    this.shape.disabled = session.shapeHere >= 0;
    this.smooth.classList.toggle("vd-on", Boolean(session.path?.smooth));
    this.ease.hidden = !goal;
    if (goal) this.ease.value = goal.ease;
  }
}

// Keys of a field are its own, but Ctrl + Enter, which runs the graph with what was typed, and Ctrl + S, which saves it.
function keepKey(event) {
  if ((event.ctrlKey || event.metaKey) && ["Enter", "s"].includes(event.key)) event.target.blur();
  else event.stopPropagation();
}

function inRange(name, value) {
  const low = name === "grow" ? -LIMITS.grow : 0;
  const inside = Math.min(Math.max(value, low), LIMITS[name]);
  return name === "strength" ? inside : Math.round(inside);
}
