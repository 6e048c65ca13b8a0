// Frames, seconds and places on the time line. It knows no DOM.

const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const FRAMES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000];
const ROOM = 46; // pixels between two numbers of the ruler

// What the ruler shows of `total` frames on so many pixels: [{at: 0..1, label}].
export function ticks({ total, fps, width, inFrames }) {
  const whole = inFrames ? total : total / fps;
  const steps = inFrames ? FRAMES : SECONDS;
  const step = steps.find((one) => (one / whole) * width >= ROOM) ?? steps.at(-1);
  const count = Math.floor(whole / step + 1e-6);
  return Array.from({ length: count + 1 }, (_, i) => {
    const value = i * step;
    return { at: value / whole, label: inFrames ? String(value) : secondsOf(value, step < 1) };
  });
}

// "4.2s", from a minute on "1:04".
export function secondsOf(seconds, isFine = true) {
  const rounded = isFine ? Math.round(seconds * 10) / 10 : Math.round(seconds);
  if (rounded < 60) return `${rounded}s`;
  const rest = rounded % 60;
  return `${Math.floor(rounded / 60)}:${rest < 10 ? "0" : ""}${+rest.toFixed(1)}`;
}

// As far as the nearest latent frame from where a border is.
export function snapped(frames, group) {
  return Math.round(frames / group) * group || 0;
}

// The frames that are drawn: those of the clip, and of its begin once more at the end of a loop.
export function drawnFrames({ frames, windows }) {
  return Math.max(frames, windows.at(-1).end);
}

// The borders between windows: the number of the window behind each, and its frame, the first that is new there.
export function bordersOf({ windows }) {
  return windows.slice(1).map(({ begin, overlap, moved }, i) => ({
    window: i + 1,
    frame: begin + overlap,
    isCut: overlap === 0,
    moved,
  }));
}
