// How the time line of a plan looks. Colours come from ComfyUI's theme.

import { addStyle } from "../paths/style.mjs";

const CSS = `
.vace-plan {
  --vt-ground: var(--comfy-input-bg, #222);
  --vt-text: var(--input-text, #ddd);
  --vt-dim: color-mix(in srgb, var(--vt-text) 72%, var(--vt-ground));
  --vt-edge: color-mix(in srgb, var(--vt-text) 20%, transparent);
  --vt-accent: var(--p-primary-color, #2e8fff);
  --vt-new: color-mix(in srgb, #3f83f0 52%, var(--vt-ground));
  --vt-both: color-mix(in srgb, #2fae6a 70%, var(--vt-ground));
  --vt-cut: #e5484d;
  --vt-gold: #e3a008;
  position: relative; display: flex; flex-direction: column; box-sizing: border-box; width: 100%; height: 100%; min-height: 214px;
  overflow: hidden; border: 1px solid var(--vt-edge); border-radius: 8px; background: var(--vt-ground); color: var(--vt-text);
  font: 12px/1.35 Inter, system-ui, sans-serif; user-select: none; -webkit-user-select: none;
}
.vace-plan * { box-sizing: border-box; }
.vace-plan [hidden] { display: none !important; }
.vt-head { flex: none; display: flex; align-items: center; gap: 4px; height: 30px; padding: 0 6px 0 12px; border-bottom: 1px solid var(--vt-edge); }
.vt-summary { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 600; }
.vt-button { flex: none; min-width: 24px; height: 22px; padding: 0 7px; border: 0; border-radius: 5px; background: color-mix(in srgb, var(--vt-text) 9%, transparent); color: inherit; font: inherit; cursor: pointer; }
.vt-button:hover:not(:disabled) { background: color-mix(in srgb, var(--vt-text) 18%, transparent); }
.vt-button:disabled { opacity: 0.35; cursor: default; }
.vt-button:focus-visible { outline: 2px solid var(--vt-accent); outline-offset: 1px; }
.vt-scroll { flex: 1 1 auto; min-height: 0; overflow: auto hidden; scrollbar-width: thin; }
.vt-inner { position: relative; display: flex; flex-direction: column; justify-content: center; min-height: 100%; padding: 0 14px 6px; }
.vt-ruler, .vt-keys, .vt-stretches, .vt-windows { position: relative; flex: none; }
.vt-ruler { height: 26px; border-bottom: 1px solid var(--vt-edge); }
.vt-tick { position: absolute; top: 5px; transform: translateX(-50%); color: var(--vt-dim); font-size: 11px; white-space: nowrap; pointer-events: none; }
.vt-tick::after { content: ""; position: absolute; left: 50%; top: 15px; height: 6px; width: 1px; background: var(--vt-dim); }
.vt-tick:first-child:not(:only-child) { transform: translateX(-4px); }
.vt-tick:first-child:not(:only-child)::after { left: 4px; }
.vt-keys { height: 18px; margin-top: 2px; }
.vt-key { position: absolute; top: 2px; transform: translateX(-50%); min-width: 15px; height: 15px; padding: 0 4px; border-radius: 3px; background: var(--vt-gold); color: #1a1300; font: 700 10px/15px Inter, system-ui, sans-serif; text-align: center; white-space: nowrap; }
.vt-key::after { content: ""; position: absolute; left: 50%; top: 15px; height: 3px; width: 2px; margin-left: -1px; background: var(--vt-gold); }
.vt-stretches { height: 24px; margin-top: 4px; }
.vt-stretch { position: absolute; top: 0; bottom: 0; padding: 0 7px; overflow: hidden; border-radius: 4px; border-left: 3px solid var(--vt-hue); background: color-mix(in srgb, var(--vt-hue) 26%, transparent); text-overflow: ellipsis; white-space: nowrap; line-height: 24px; }
.vt-hue-0 { --vt-hue: #8e7cf0; }
.vt-hue-1 { --vt-hue: #d9822b; }
.vt-hue-2 { --vt-hue: #2aa7b8; }
.vt-hue-3 { --vt-hue: #d05a9e; }
.vt-unsaid { color: var(--vt-dim); font-style: italic; }
.vt-windows { height: 57px; margin-top: 5px; }
.vt-window { position: absolute; top: 0; height: 27px; overflow: hidden; border: 1px solid color-mix(in srgb, #3f83f0 80%, var(--vt-text)); border-radius: 4px; background: var(--vt-new); }
.vt-window.vt-low { top: 30px; }
.vt-window:hover { border-color: var(--vt-text); }
.vt-window b { position: absolute; top: 0; bottom: 0; right: 0; padding-left: 6px; overflow: hidden; line-height: 25px; white-space: nowrap; font-weight: 700; pointer-events: none; }
.vt-window small { margin-left: 6px; font-size: 11px; font-weight: 400; opacity: 0.85; }
.vt-changed b::after { content: ""; display: inline-block; width: 6px; height: 6px; margin-left: 6px; border-radius: 50%; background: var(--vt-gold); }
.vt-shared { position: absolute; top: 0; bottom: 0; background: repeating-linear-gradient(115deg, var(--vt-both) 0 4px, color-mix(in srgb, var(--vt-both) 62%, var(--vt-ground)) 4px 8px); }
.vt-crowd { height: 100%; border-radius: 4px; background: var(--vt-new); line-height: 57px; text-align: center; }
.vt-lanes { position: relative; flex: none; }
.vt-handles { position: absolute; inset: 0; pointer-events: none; }
.vt-border { position: absolute; z-index: 1; top: 0; bottom: 0; width: 14px; margin-left: -7px; outline: none; pointer-events: auto; touch-action: none; cursor: ew-resize; }
.vt-border::before { content: ""; position: absolute; left: 6px; top: 27px; bottom: 0; width: 2px; background: var(--vt-text); opacity: 0.9; }
.vt-border::after { content: ""; position: absolute; left: 3px; bottom: 21px; width: 8px; height: 15px; border: 1px solid var(--vt-ground); border-radius: 4px; background: var(--vt-text); }
.vt-border.vt-cut::before { top: 0; left: 5.5px; width: 3px; background: var(--vt-cut); opacity: 1; }
.vt-border.vt-cut::after { background: var(--vt-cut); }
.vt-border.vt-moved::after { background: var(--vt-accent); }
.vt-border:hover::after, .vt-border:focus::after { left: 1px; width: 12px; bottom: 18px; height: 21px; }
.vt-border:focus::after { outline: 2px solid var(--vt-accent); outline-offset: 1px; }
.vt-fixed .vt-border { cursor: default; }
.vt-words { flex: none; min-height: 43px; max-height: 76px; margin: 0; padding: 5px 12px; overflow: auto; border-top: 1px solid var(--vt-edge); color: var(--vt-dim); scrollbar-width: thin; user-select: text; -webkit-user-select: text; }
.vt-stopped .vt-words { color: var(--vt-text); background: color-mix(in srgb, var(--vt-gold) 22%, transparent); }
.vt-refused .vt-words { color: var(--vt-text); background: color-mix(in srgb, var(--vt-cut) 22%, transparent); }
.vt-refused .vt-scroll { opacity: 0.35; }
.vt-waiting .vt-head, .vt-waiting .vt-scroll { display: none; }
.vt-waiting .vt-words { display: flex; flex: 1; max-height: none; align-items: center; justify-content: center; padding: 12px 40px; border: 0; text-align: center; }
`;

export function addPlanStyle() {
  addStyle("vace-plan-style", CSS);
}
