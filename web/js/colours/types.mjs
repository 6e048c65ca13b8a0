// The colours of what travels between the pack's nodes. All of them about equally light, a fifth of white, so that they
// are seen on dark and on light graphs alike; no core type has one of them.

export const COLOURS = {
  VACE_VCU: "#DB5A1F",
  VACE_MODEL: "#8B5CF6",
  VACE_ADAPTER: "#6B7FD7",
  VACE_LORAS: "#B45FC9",
  VACE_OPTIONS: "#7D8590",
  VACE_REFERENCES: "#2590AE",
  VACE_STITCH: "#A67C52",
  VACE_STRENGTH: "#E0457B",
  VACE_CONDITIONS: "#A87710",
  VACE_PLAN: "#1F8F63",
};

// Gives `table`, of colours by type, those of the pack. A palette that names one of our types wins; one that clears all
// types it does not name, as palettes do when they are loaded, brings ours back.
export function colourTypes(table) {
  for (const [type, ours] of Object.entries(COLOURS)) {
    let chosen = table[type];
    Object.defineProperty(table, type, {
      get: () => chosen || ours,
      set: (colour) => (chosen = colour),
      configurable: true,
      enumerable: true,
    });
  }
}

// The same for Nodes 2.0, which takes them from the page's style; a palette sets its own on the element, which wins.
export function styleOf() {
  return `:root { ${Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}: ${colour};`).join(" ")} }`;
}
