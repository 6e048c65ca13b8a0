// Icons of the desk, beside those of the path editor, and what each action and tool is called.

import { addIcons } from "../paths/icons.mjs";

addIcons({
  select: "M4 2.5v10l2.600-2.500 1.700 3.700 1.800-0.800-1.700-3.700h3.600z",
  box: "M2.5 3.500h11v9h-11z",
  brush: "M13.5 2.500 7.2 8.600M6.800 8.300c-1.800-.3-2.900.9-3 2.400-.1 1.200-.7 1.900-1.500 2.200 2.300 1 5.700.6 6.200-2 .2-1.300-.5-2.300-1.700-2.600z",
  erase: "M6 13 2.700 9.700a1 1 0 0 1 0-1.400l5.600-5.600a1 1 0 0 1 1.400 0l3.600 3.600a1 1 0 0 1 0 1.400L8 13zM5.300 5.700l5 5M6 13h7.500",
  lasso: "M8 2.500c3.300 0 5.800 1.700 5.800 3.900S11.300 10.300 8 10.300 2.200 8.600 2.200 6.400 4.700 2.500 8 2.500zM4.300 9.300c-1.300.8-1 2.300.4 2.400 1.200.1 1.400 1.200.6 2.300",
  cut: "M4.300 9.700a1.900 1.900 0 1 0 .1 3.800 1.900 1.900 0 0 0-.1-3.800zM11.700 9.700a1.900 1.900 0 1 0-.1 3.800 1.900 1.900 0 0 0 .1-3.800zM5.300 10 11 2.500M10.700 10 5 2.500",
  points: "M8 1.800v3M8 11.200v3M1.800 8h3M11.200 8h3M8 6.400a1.600 1.600 0 1 0 0 3.200 1.600 1.600 0 0 0 0-3.200z",
  record: "M3 12.500C3 7 7 9.500 8 6s4-3 5-2.500M3 12.500l-1-2M3 12.500l2-1.200M12.700 10.200a1.700 1.700 0 1 0 0 3.400 1.700 1.700 0 0 0 0-3.400z",
  generate: "M6.500 3 7.800 6.700 11.500 8 7.800 9.300 6.500 13 5.200 9.300 1.500 8l3.700-1.300zM12.300 2.500l.6 1.700 1.700.6-1.700.6-.6 1.700-.6-1.700-1.700-.6 1.700-.6z",
  replace: "M2.5 3.500h11v9h-11zM2.700 11l3.300-3.300 2.500 2.300 2-1.800 2.800 2.600M10.500 5.600v.1",
  move: "M2.500 12.500C4 6 9 10 12.500 4.500M9.500 4.200l3.200-.2.300 3.200",
  control: "M2.500 4.500h5M10.500 4.500h3M9 3v3M2.500 11.500h2M7.500 11.500h6M6 10v3",
  keep: "M4 7.500h8v6H4zM5.500 7.500V5.300a2.500 2.500 0 0 1 5 0v2.200M8 10v1.300",
  duplicate: "M5.500 5.500h8v8h-8zM3 10.500h-.5v-8h8V3M9.500 7.500v4M7.500 9.500h4",
  trackOn: "M2.500 8h7M7 5l3 3-3 3M13 3.500v9",
  trackBack: "M13.500 8h-7M9 5 6 8l3 3M3 3.500v9",
  shape: "M8 2.500 13.500 6.500 11.400 13H4.600L2.500 6.500zM8 6v4M6 8h4",
  fresh: "M8 3.500v9M3.500 8h9",
});

export const TOOLS = [
  ["select", "Select and move", "v"],
  ["box", "Box", "n"],
  ["brush", "Brush", "b"],
  ["erase", "Eraser", "e"],
  ["lasso", "Lasso: adds an area", "l"],
  ["cut", "Cut: takes an area away", "x"],
  ["points", "Points: click what belongs to it, Alt or right button for what does not", "p"],
  ["record", "Record: drag an object while time runs", "r"],
];

export const ACTION_WORDS = {
  remove: "Remove",
  generate: "Generate",
  replace: "Replace",
  move: "Move",
  control: "Follow",
  keep: "Keep",
};
export const ACTION_TIPS = {
  remove: "Takes it out: what is behind it is generated",
  generate: "Generates by words what is here",
  replace: "Puts the thing of a reference picture here",
  move: "Cuts it out and moves it along a path",
  control: "Generates what follows the control video here",
  keep: "Keeps it as it is, in front of all",
};
