// What is said of a plan, of one of its windows, and of a border.

import { t } from "../words.mjs";
import { secondsOf } from "./scale.mjs";

export function summary(plan, said) {
  const { frames, fps, windows, loop } = plan;
  const values = { frames, fps: +fps.toFixed(3), seconds: secondsOf(frames / fps), count: windows.length };
  const whole = [t("{frames} frames at {fps} fps, {seconds}", values)];
  whole.push(values.count > 1 ? t("{count} windows", values) : t("one window"));
  if (loop) whole.push(t("a loop"));
  if (said?.isOfLastRun) whole.push(t("length of the last run"));
  return whole.join(" · ");
}

export function describeWindow(plan, number, inFrames) {
  const { begin, end, overlap, seed, strength, references } = plan.windows[number];
  const parts = [t("Window {number}: {from} to {to}, {count} frames", { number, ...span(plan, begin, end, inFrames), count: end - begin })];
  if (overlap) parts.push(t("the first {count} shared", { count: overlap }));
  else if (number) parts.push(t("a hard cut before it"));
  if (seed !== null) parts.push(t("seed {seed}", { seed }));
  if (strength !== 1) parts.push(t("strength {strength}", { strength }));
  if (references) parts.push(t("references {names}", { names: references.join(" ") || t("none") }));
  const prompt = promptAt(plan, begin + overlap);
  if (prompt) parts.push(`“${prompt}”`);
  return parts.join(" · ");
}

export function describeBorder(plan, number, inFrames) {
  const before = plan.windows[number - 1];
  const { begin, end, overlap, moved } = plan.windows[number];
  const at = inFrames ? begin + overlap : secondsOf((begin + overlap) / plan.fps);
  const parts = [t("Border before window {number}: {at}", { number, at })];
  parts.push(t("windows of {before} and {after} frames", { before: before.end - before.begin, after: end - begin }));
  if (moved) parts.push(t("moved by {frames} frames", { frames: moved > 0 ? `+${moved}` : moved }));
  return `${parts.join(" · ")}.`;
}

export function promptAt({ stretches }, frame) {
  return stretches.find(({ begin, end }) => begin <= frame && frame < end)?.prompt ?? "";
}

function span({ fps }, begin, end, inFrames) {
  return inFrames ? { from: begin, to: end - 1 } : { from: secondsOf(begin / fps), to: secondsOf(end / fps) };
}
