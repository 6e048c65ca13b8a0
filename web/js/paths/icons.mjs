// Icons of 16 by 16, drawn with the colour of the text.

import { makeSvg } from "./elements.mjs";

const DRAWINGS = {
  add: "M2.5 4.5v-2h2M7 2.5h2M11.5 2.5h2v2M13.5 7v1M2.5 7v2M2.5 11.5v2h2M7 13.5h1M12 9.5v5M9.5 12h5",
  undo: "M5.5 3 2.5 6l3 3M3 6h6.5a4 4 0 0 1 0 8H6",
  redo: "m10.5 3 3 3-3 3M13 6H6.5a4 4 0 0 0 0 8H10",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  paste: "M5.5 3.5h-2v10h9v-10h-2M5.5 2.5h5v2.5h-5zM6 8.5h4M6 11h4",
  remove: "M3 4.5h10M6.5 4V2.5h3V4M4.5 4.5l.5 9h6l.5-9M6.8 7v4M9.2 7v4",
  front: "M8 13V3.5M4 7l4-4 4 4",
  back: "M8 3v9.5M4 9l4 4 4-4",
  smooth: "M2 12.5C5.5 12.5 5 4 8 4s2.5 8.5 6 8.5",
  straight: "M2 12.5 8 4l6 8.5",
  help: "M5.8 6a2.2 2.2 0 1 1 3.3 1.900C8.3 8.400 8 8.8 8 9.700M8 12.2v.1",
  key: "M8 3.5 12.5 8 8 12.5 3.5 8z",
  previous: "M9.5 4.5 6 8l3.5 3.5",
  next: "M6.5 4.5 10 8l-3.5 3.5",
  play: "M5 3.5v9l7.5-4.5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
};

export function addIcons(drawings) {
  Object.assign(DRAWINGS, drawings);
}

export function icon(name) {
  const lines = {
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.4,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  };
  return makeSvg(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", ...lines },
    makeSvg("path", { d: DRAWINGS[name] }),
  );
}
