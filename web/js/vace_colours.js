// Gives the wires and slots of the pack's own types a colour each, in both renderers.

import { app } from "../../../scripts/app.js";
import { colourTypes, styleOf } from "./colours/types.mjs";
import { registerOnce } from "./register.mjs";

registerOnce(app, {
  name: "VACE.Colours",
  setup() {
    colourTypes(app.canvas.constructor.link_type_colors);
    colourTypes(app.canvas.default_connection_color_byType);
    const style = document.createElement("style");
    style.textContent = styleOf();
    document.head.append(style);
    app.canvas.setDirty(true, true);
  },
});
