// How the desk looks, beside what it shares with the path editor.

import { addStyle } from "../paths/style.mjs";

const CSS = `
.vace-desk { --vp-names: 152px; min-height: 600px; container-type: inline-size; }
.vd-middle { display: flex; flex: 1 1 0; min-height: 0; }
.vd-left { display: flex; flex: 1 1 0; flex-direction: column; min-width: 0; }
.vd-board { display: flex; flex: 1 1 0; min-height: 160px; }
.vd-board .vp-stage { height: auto; min-width: 0; }
.vace-desk .vp-tools .vp-icon:first-child { padding: 0 9px 0 5px; }

.vace-desk .vp-tools, .vd-rail, .vace-desk .vp-time { background: var(--vp-panel); }
.vd-rail { flex: none; display: flex; flex-direction: column; gap: 2px; padding: 6px 5px; border-right: 1px solid var(--vp-edge); }
.vd-rail .vp-icon { width: 32px; height: 32px; border-radius: 7px; }
.vd-rail .vp-icon svg { width: 18px; height: 18px; }
.vd-rail .vp-on { background: var(--vp-accent); color: #fff; }
.vd-rail .vp-icon:nth-child(2), .vd-rail .vp-icon:nth-child(7), .vd-rail .vp-icon:nth-child(8) { margin-top: 7px; }
.vd-rail .vp-icon:nth-child(2)::before, .vd-rail .vp-icon:nth-child(7)::before, .vd-rail .vp-icon:nth-child(8)::before { content: ""; position: absolute; width: 20px; height: 1px; margin-top: -39px; background: var(--vp-edge); }

.vd-masks { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.vd-brush { position: absolute; border: 1.5px solid #fff; border-radius: 50%; box-shadow: 0 0 0 1px rgb(0 0 0 / 0.6), inset 0 0 0 1px rgb(0 0 0 / 0.35); pointer-events: none; }
.vace-desk .vp-boxes .vp-box .vp-outline, .vace-desk .vp-boxes .vp-box.vp-selected .vp-outline { fill: none; }
.vace-desk .vd-shaped .vp-halo { opacity: 0.35; }
.vace-desk .vd-shaped:not(.vp-selected) { display: none; }
.vace-desk .vd-shaped .vp-outline { stroke-dasharray: 2 4; stroke-width: 1.4; }
.vace-desk .vd-goal .vp-outline { stroke-dasharray: 7 4; }
.vd-arm { stroke: #fff; stroke-width: 1.2; opacity: 0.85; filter: drop-shadow(0 0 1px #000); }
.vace-desk .vp-boxes .vd-turn { fill: var(--vp-colour); stroke: #fff; stroke-width: 1.6; }
.vace-desk .vp-boxes circle.vd-tracked { fill: none; stroke: var(--vp-colour); r: 1.6px; opacity: 0.6; }
.vace-desk .vp-boxes .vd-point { stroke: #fff; stroke-width: 1.6; }
.vace-desk .vp-boxes .vd-inside { fill: #22c55e; }
.vace-desk .vp-boxes .vd-outside { fill: #ef4444; }

.vd-inspector { flex: none; width: 224px; padding: 10px 12px; overflow: hidden auto; border-left: 1px solid var(--vp-edge); background: var(--vp-panel); scrollbar-width: thin; }
.vd-hint { margin: 8px 4px; color: var(--vp-dim); line-height: 1.5; }
.vd-fields { display: flex; flex-direction: column; gap: 8px; }
.vd-fields header { display: flex; align-items: center; gap: 7px; font-size: 13px; }
.vd-fields header b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 600; }
.vd-swatch { flex: none; width: 12px; height: 12px; border-radius: 4px; background: var(--vp-colour); }
.vd-actions { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; }
.vd-action { display: flex; flex-direction: column; align-items: center; gap: 3px; min-width: 0; padding: 7px 0 5px; border: 1px solid var(--vp-edge); border-radius: 7px; background: color-mix(in srgb, var(--vp-text) 4%, transparent); color: inherit; font: 11px/1.2 Inter, system-ui, sans-serif; cursor: pointer; }
.vd-action svg { pointer-events: none; }
.vd-action:hover { background: color-mix(in srgb, var(--vp-text) 11%, transparent); }
.vd-action.vd-on { border-color: var(--vp-colour); background: color-mix(in srgb, var(--vp-colour) 26%, transparent); box-shadow: inset 0 0 0 1px var(--vp-colour); font-weight: 600; }
.vd-prompt { width: 100%; min-height: 44px; padding: 6px 8px; resize: vertical; border: 1px solid var(--vp-edge); border-radius: 6px; background: var(--vp-ground); color: inherit; font: 12px/1.4 Inter, system-ui, sans-serif; outline: none; user-select: text; -webkit-user-select: text; }
.vd-prompt:focus, .vd-number:focus { border-color: var(--vp-accent); }
.vd-prompt::placeholder { color: var(--vp-dim); }
.vd-row { display: grid; grid-template-columns: 60px 1fr 50px; align-items: center; gap: 6px; min-height: 22px; }
.vd-row > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--vp-dim); }
.vd-row .vd-number:nth-child(2) { grid-column: 2 / 4; }
.vd-number { width: 100%; height: 22px; padding: 0 5px; border: 1px solid var(--vp-edge); border-radius: 5px; background: var(--vp-ground); color: inherit; font: 11px Inter, system-ui, sans-serif; text-align: right; outline: none; user-select: text; -webkit-user-select: text; appearance: textfield; -moz-appearance: textfield; }
.vd-number::-webkit-inner-spin-button { display: none; }
.vace-desk input[type="range"] { width: 100%; min-width: 0; height: 16px; margin: 0; background: none; accent-color: var(--vp-accent); cursor: pointer; appearance: none; -webkit-appearance: none; }
.vace-desk input[type="range"]::-webkit-slider-runnable-track { height: 3px; border-radius: 2px; background: color-mix(in srgb, var(--vp-text) 24%, transparent); }
.vace-desk input[type="range"]::-moz-range-track { height: 3px; border-radius: 2px; background: color-mix(in srgb, var(--vp-text) 24%, transparent); }
.vace-desk input[type="range"]::-webkit-slider-thumb { -webkit-appearance: none; width: 12px; height: 12px; margin-top: -4.5px; border: 0; border-radius: 50%; background: var(--vp-text); box-shadow: 0 0 2px rgb(0 0 0 / 0.5); }
.vace-desk input[type="range"]::-moz-range-thumb { width: 12px; height: 12px; border: 0; border-radius: 50%; background: var(--vp-text); }
.vd-motion { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; padding-top: 8px; border-top: 1px solid var(--vp-edge); }
.vd-small { display: inline-flex; align-items: center; justify-content: center; gap: 5px; min-width: 0; height: 26px; padding: 0 6px; border: 1px solid var(--vp-edge); border-radius: 6px; background: color-mix(in srgb, var(--vp-text) 4%, transparent); color: inherit; font: 11px Inter, system-ui, sans-serif; white-space: nowrap; cursor: pointer; }
.vd-small:hover:not(:disabled) { background: color-mix(in srgb, var(--vp-text) 11%, transparent); }
.vd-small:disabled { opacity: 0.4; cursor: default; }
.vd-small.vd-on { background: color-mix(in srgb, var(--vp-accent) 28%, transparent); }
.vd-ease { grid-column: 1 / 3; height: 26px; padding: 0 6px; border: 1px solid var(--vp-edge); border-radius: 6px; background: var(--vp-ground); color: inherit; font: 11px Inter, system-ui, sans-serif; }

.vd-brush-size { display: flex; align-items: center; gap: 7px; width: 190px; color: var(--vp-dim); cursor: pointer; }
.vd-brush-size svg { flex: none; }
.vd-pixels { flex: none; width: 46px; font-size: 11px; text-align: right; color: var(--vp-text); }
.vd-zoom { padding: 0 8px; font-size: 11px; font-weight: 600; }

.vd-row-action { flex: none; margin-left: auto; width: 16px; height: 16px; color: var(--vp-dim); }
.vd-row-action svg { display: block; width: 14px; height: 14px; }
.vd-goal-row .vp-swatch { visibility: hidden; }
.vd-goal-row .vp-label { color: var(--vp-dim); font-style: italic; }
.vd-goal-row .vp-bar { height: 1px; }
.vace-desk .vp-rows .vd-row-chosen:not(.vp-selected) { background: color-mix(in srgb, var(--vp-accent) 7%, transparent); }
.vd-goal-row .vp-key::before { border-radius: 50%; }
.vp-key.vd-tracked { width: 8px; z-index: 0; }
.vp-key.vd-tracked::before { inset: 8px 2px; width: 4px; height: 4px; border: 0; border-radius: 50%; transform: none; opacity: 0.75; }
.vp-key.vd-tracked:hover::before { transform: scale(1.6); }
.vd-mark { position: absolute; top: 2px; bottom: 2px; width: 0; border-left: 2px solid var(--vp-colour); opacity: 0.75; pointer-events: none; }
.vd-mark::before { content: ""; position: absolute; left: -1px; top: 0; border: 3.5px solid transparent; border-left-color: var(--vp-colour); }
.vd-mark:first-of-type { opacity: 0.4; }

.vd-sheet { flex: none; border-top: 1px solid var(--vp-edge); background: var(--vp-panel); }
.vd-sheet-head { display: flex; align-items: center; gap: 6px; width: 100%; height: 28px; padding: 0 10px 0 6px; border: 0; background: none; color: inherit; font: 600 12px Inter, system-ui, sans-serif; cursor: pointer; text-align: left; }
.vd-sheet-head:hover { background: color-mix(in srgb, var(--vp-text) 5%, transparent); }
.vd-sheet-head svg { transition: transform 0.12s; }
.vd-sheet-head[aria-expanded="true"] svg { transform: rotate(90deg); }
.vd-sheet-head small { color: var(--vp-dim); font-weight: 400; }
.vd-sheet-head[aria-expanded="false"] + .vd-sheet-body { display: none; }
.vd-sheet-body { height: 148px; padding: 0 10px 10px; overflow: auto; scrollbar-width: thin; }
.vd-sheet-body img { display: block; max-width: 100%; margin: 0 auto; border-radius: 4px; }
.vd-sheet-body img.vd-stale { opacity: 0.35; }
.vd-sheet-body.vd-empty { height: 34px; color: var(--vp-dim); }
.vd-sheet-body.vd-empty::before { content: attr(data-hint); display: block; padding: 2px 18px; font-size: 11px; }
.vd-sheet-notes { margin: 6px 0 0; color: var(--vp-dim); white-space: pre-line; user-select: text; -webkit-user-select: text; }
.vd-refused { margin: 0 0 8px; padding: 7px 10px; border-radius: 6px; background: color-mix(in srgb, #e5484d 20%, transparent); border: 1px solid color-mix(in srgb, #e5484d 55%, transparent); user-select: text; -webkit-user-select: text; }
.vd-busy { margin-left: auto; width: 12px; height: 12px; border: 2px solid var(--vp-edge); border-top-color: var(--vp-accent); border-radius: 50%; visibility: hidden; }
.vd-asking .vd-busy { visibility: visible; animation: vd-turn 0.8s linear infinite; }
.vd-sheet-head span, .vd-sheet-head small { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
@container (max-width: 720px) {
  .vd-middle { flex-direction: column; }
  .vd-left { min-height: 320px; }
  .vd-left, .vd-rail { --vp-names: 112px; }
  .vd-inspector { width: auto; flex: 0 0 168px; padding: 8px 10px; border-left: 0; border-top: 1px solid var(--vp-edge); }
  .vd-fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 12px; }
  .vd-fields header, .vd-actions, .vd-prompt { grid-column: 1 / 3; }
  .vd-actions { grid-template-columns: repeat(6, 1fr); }
  .vd-motion { padding-top: 0; border-top: 0; }
  .vd-sheet-body { height: 96px; }
  .vd-rail { padding: 4px 3px; gap: 0; }
  .vd-rail .vp-icon { height: 28px; }
  .vd-brush-size { width: 130px; }
}
@keyframes vd-turn { to { transform: rotate(1turn); } }
`;

export function addDeskStyle() {
  addStyle("vace-desk-style", CSS);
}
