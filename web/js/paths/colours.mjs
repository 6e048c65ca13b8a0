// Colours of objects. An object whose outline is black, as the model learned it, is shown in a tint of the editor's own.

export const TINTS = [
  [255, 159, 28],
  [43, 184, 255],
  [255, 93, 143],
  [82, 210, 115],
  [179, 136, 255],
  [255, 217, 61],
  [25, 211, 197],
  [255, 107, 74],
];

// Outlines that read well on white, for those who want to tell objects apart in the layout itself.
export const OUTLINES = {
  black: [0, 0, 0],
  red: [230, 25, 75],
  orange: [245, 130, 48],
  green: [60, 180, 75],
  teal: [0, 140, 140],
  blue: [0, 110, 220],
  purple: [145, 30, 180],
  pink: [240, 50, 200],
};

// Gives each path without a `tint` the first that is free. A tint is never saved.
export function withTints(paths) {
  const taken = new Set(paths.map(({ tint }) => tint));
  return paths.map((path) => {
    if (path.tint !== undefined) return path;
    let tint = 0;
    while (taken.has(tint)) tint++;
    taken.add(tint);
    return { ...path, tint };
  });
}

export function css(colour) {
  return `rgb(${colour.join(" ")})`;
}

export function shownColour(path) {
  return css(shown(path));
}

// The colour of a text on the shown colour.
export function inkOn(path) {
  const [red, green, blue] = shown(path);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#1a1a1a" : "#fff";
}

function shown({ colour, tint }) {
  const isBlack = colour.every((part) => part === 0);
  return isBlack ? TINTS[tint % TINTS.length] : colour;
}
