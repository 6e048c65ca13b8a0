// How the editor looks. Colours come from ComfyUI's theme.

const CSS = `
.vace-paths {
  --vp-ground: var(--comfy-input-bg, #222);
  --vp-panel: var(--comfy-menu-bg, #353535);
  --vp-text: var(--input-text, #ddd);
  --vp-dim: var(--descrip-text, #999);
  --vp-edge: color-mix(in srgb, var(--vp-text) 16%, transparent);
  --vp-accent: var(--p-primary-color, #2e8fff);
  --vp-names: 112px;
  position: relative; display: flex; flex-direction: column; box-sizing: border-box;
  width: 100%; height: 100%; min-height: 380px; overflow: hidden;
  border: 1px solid var(--vp-edge); border-radius: 8px;
  background: var(--vp-ground); color: var(--vp-text);
  font: 12px/1.3 Inter, system-ui, sans-serif; user-select: none; -webkit-user-select: none;
}
.vace-paths:focus-within { border-color: color-mix(in srgb, var(--vp-accent) 70%, transparent); }
.vace-paths * { box-sizing: border-box; }
.vace-paths [hidden] { display: none !important; }
.vp-catcher { position: absolute; top: 0; left: 0; width: 1px; height: 1px; padding: 0; border: 0; opacity: 0; pointer-events: none; }

.vp-tools { display: flex; align-items: center; gap: 2px; padding: 4px 6px; flex: none; border-bottom: 1px solid var(--vp-edge); }
.vp-gap { width: 1px; height: 16px; margin: 0 4px; background: var(--vp-edge); }
.vp-space { flex: 1; }
.vp-icon {
  display: inline-flex; align-items: center; justify-content: center; gap: 5px; min-width: 24px; height: 24px; padding: 0 4px;
  border: 0; border-radius: 5px; background: none; color: inherit; font: inherit; cursor: pointer;
}
.vp-icon svg { display: block; flex: none; pointer-events: none; }
.vp-icon:hover:not(:disabled) { background: color-mix(in srgb, var(--vp-text) 12%, transparent); }
.vp-icon:disabled { opacity: 0.32; cursor: default; }
.vp-tools .vp-on { background: color-mix(in srgb, var(--vp-accent) 28%, transparent); }
.vp-tools .vp-icon:first-child { padding: 0 8px 0 5px; font-weight: 600; }
.vp-icon:focus-visible, .vp-swatch:focus-visible, .vp-button:focus-visible { outline: 2px solid var(--vp-accent); outline-offset: 1px; }

.vp-stage {
  position: relative; flex: 1 1 0; min-height: 120px; overflow: hidden; touch-action: none; cursor: crosshair;
  background: color-mix(in srgb, var(--vp-ground) 82%, #000);
}
.vp-frame { position: absolute; overflow: hidden; border-radius: 2px; box-shadow: 0 0 0 1px var(--vp-edge), 0 2px 14px rgb(0 0 0 / 0.35); }
.vp-backdrop {
  width: 100%; height: 100%;
  background-color: var(--vp-ground);
  background-image:
    linear-gradient(var(--vp-edge) 1px, transparent 1px), linear-gradient(90deg, var(--vp-edge) 1px, transparent 1px);
  background-size: 12.5% 12.5%; background-position: -1px -1px;
}
.vp-backdrop > * { display: block; width: 100%; height: 100%; max-width: none; object-fit: cover; pointer-events: none; }
.vp-boxes { position: absolute; inset: 0; width: 100%; height: 100%; overflow: hidden; pointer-events: none; }
.vp-boxes rect, .vp-boxes polyline, .vp-boxes circle { fill: none; stroke-linejoin: round; }
.vp-halo { stroke: rgb(0 0 0 / 0.55); stroke-width: 3.5; }
.vp-outline { stroke: var(--vp-colour); stroke-width: 1.6; }
.vp-boxes .vp-box .vp-outline { fill: color-mix(in srgb, var(--vp-colour) 10%, transparent); }
.vp-boxes .vp-box.vp-selected .vp-outline { stroke-width: 2.2; fill: color-mix(in srgb, var(--vp-colour) 18%, transparent); }
.vp-ghost { stroke: var(--vp-colour); stroke-width: 1.2; stroke-dasharray: 4 4; opacity: 0.8; }
.vp-line { stroke: var(--vp-colour); stroke-width: 1.2; opacity: 0.6; }
.vp-line.vp-selected { stroke-width: 1.8; opacity: 1; }
.vp-line.vp-under { stroke: rgb(0 0 0 / 0.4); stroke-width: 3.2; opacity: 1; }
.vp-boxes circle.vp-line { fill: var(--vp-colour); stroke: rgb(0 0 0 / 0.5); stroke-width: 1; }
.vp-boxes .vp-handle { fill: #fff; stroke: rgb(0 0 0 / 0.7); stroke-width: 1; }
.vp-boxes .vp-tag { fill: var(--vp-colour); opacity: 0.92; }
.vp-tag-text { fill: var(--vp-ink); font: 600 10px Inter, system-ui, sans-serif; }
.vp-boxes .vp-rubber { stroke: var(--vp-accent); stroke-width: 1.5; stroke-dasharray: 4 3; fill: color-mix(in srgb, var(--vp-accent) 18%, transparent); }

.vp-notice { position: absolute; left: 50%; transform: translateX(-50%); display: flex; flex-direction: column; align-items: center; gap: 4px; text-align: center; pointer-events: none; color: #fff; }
.vp-notice small { font-size: 11px; opacity: 0.75; }
.vp-notice[data-kind="line"], .vp-notice[data-kind="linked"] { bottom: 8px; width: max-content; max-width: 94%; padding: 4px 12px; border-radius: 12px; background: rgb(0 0 0 / 0.68); }
.vp-notice[data-kind="first"] { top: 50%; transform: translate(-50%, -50%); width: max-content; max-width: 80%; padding: 12px 18px; border: 1.5px dashed rgb(255 255 255 / 0.6); border-radius: 8px; background: rgb(0 0 0 / 0.55); font-size: 13px; font-weight: 600; }
.vp-notice[data-kind="first"] small { font-weight: 400; }
.vp-pictured .vp-notice[data-kind="first"] { top: auto; bottom: 12px; transform: translateX(-50%); padding: 6px 16px; border: 0; border-radius: 14px; background: rgb(0 0 0 / 0.7); }
.vp-notice[data-kind="locked"] { bottom: 8px; width: calc(100% - 24px); max-height: calc(100% - 16px); padding: 10px; flex-flow: row wrap; justify-content: center; gap: 8px 16px; border-radius: 8px; background: rgb(0 0 0 / 0.75); pointer-events: auto; cursor: default; }
.vp-notice pre { width: 100%; max-height: 90px; margin: 0; padding: 6px; overflow: auto; border-radius: 4px; background: rgb(255 255 255 / 0.1); font: 11px/1.4 monospace; text-align: left; white-space: pre-wrap; word-break: break-all; user-select: text; -webkit-user-select: text; }
.vp-button { padding: 4px 12px; border: 0; border-radius: 5px; background: var(--vp-accent); color: #fff; font: inherit; font-weight: 600; cursor: pointer; }

.vp-unknown { flex: none; margin: 0; padding: 3px 8px; color: var(--vp-dim); font-size: 11px; }

.vp-time { flex: none; border-top: 1px solid var(--vp-edge); background: color-mix(in srgb, var(--vp-panel) 60%, var(--vp-ground)); }
.vp-row { display: grid; grid-template-columns: var(--vp-names) 1fr; align-items: center; height: 24px; }
.vp-head { height: 30px; }
.vp-rows { min-height: 53px; max-height: 125px; overflow: hidden auto; scrollbar-width: thin; touch-action: none; padding-bottom: 4px; }
.vp-rows:empty::before { content: attr(data-empty); display: block; padding: 16px 0; color: var(--vp-dim); font-size: 11px; text-align: center; }
.vp-name { display: flex; align-items: center; gap: 6px; height: 100%; min-width: 0; padding: 0 4px 0 8px; cursor: pointer; }
.vp-head .vp-name { gap: 0; padding: 0 4px; cursor: default; }
.vp-head .vp-icon { min-width: 26px; padding: 0; }
.vp-head .vp-on path { fill: currentColor; }
.vp-label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.vp-rename { width: 100%; min-width: 0; height: 18px; padding: 0 4px; border: 1px solid var(--vp-accent); border-radius: 3px; background: var(--vp-ground); color: inherit; font: inherit; outline: none; user-select: text; -webkit-user-select: text; }
.vp-swatch { flex: none; width: 12px; height: 12px; padding: 0; border: 1px solid rgb(0 0 0 / 0.45); border-radius: 3px; background: var(--vp-colour); cursor: pointer; }
.vp-rows .vp-row:hover { background: color-mix(in srgb, var(--vp-text) 5%, transparent); }
.vp-rows .vp-row.vp-selected { background: color-mix(in srgb, var(--vp-accent) 16%, transparent); }
.vp-rows .vp-selected .vp-label { font-weight: 600; }
.vp-ruler, .vp-lane { position: relative; height: 100%; padding: 0 18px 0 12px; cursor: pointer; touch-action: none; }
.vp-ruler { cursor: ew-resize; }
.vp-track { position: relative; height: 100%; }
.vp-track::after { content: ""; position: absolute; top: 0; bottom: 0; left: calc(var(--vp-time) * 100%); width: 1px; margin-left: -0.5px; background: var(--vp-accent); pointer-events: none; }
.vp-ruler .vp-track::after { top: 22px; }
.vp-tick { position: absolute; top: 8px; height: 13px; transform: translateX(-50%); color: var(--vp-dim); font-size: 10px; pointer-events: none; }
.vp-tick::before { content: ""; position: absolute; left: 50%; top: 15px; height: 5px; width: 1px; background: var(--vp-edge); }
.vp-flag { position: absolute; z-index: 1; top: 5px; left: calc(var(--vp-time) * 100%); transform: translateX(calc(-12px - var(--vp-time) * (100% - 24px))); padding: 1px 7px; border-radius: 9px; background: var(--vp-accent); color: #fff; font-size: 10px; font-weight: 600; line-height: 16px; white-space: nowrap; pointer-events: none; }
.vp-lane .vp-track::before { content: ""; position: absolute; left: 0; right: 0; top: 50%; height: 1px; background: var(--vp-edge); }
.vp-bar { position: absolute; top: 50%; height: 3px; margin-top: -1px; border-radius: 2px; background: color-mix(in srgb, var(--vp-colour) 70%, transparent); pointer-events: none; }
.vp-key { position: absolute; z-index: 1; top: 50%; width: 18px; height: 20px; transform: translate(-50%, -50%); cursor: ew-resize; }
.vp-key::before { content: ""; position: absolute; inset: 5px 4px; width: 10px; height: 10px; transform: rotate(45deg) scale(0.9); border: 1px solid rgb(0 0 0 / 0.55); border-radius: 2px; background: var(--vp-colour); }
.vp-key:hover::before { transform: rotate(45deg) scale(1.1); }
.vp-key.vp-on::before { outline: 2px solid var(--vp-text); outline-offset: 0; }

.vp-panel { position: absolute; z-index: 5; padding: 10px 12px; border: 1px solid var(--vp-edge); border-radius: 8px; background: var(--vp-panel); box-shadow: 0 6px 24px rgb(0 0 0 / 0.4); }
.vp-help { top: 36px; right: 8px; display: grid; grid-template-columns: auto auto; gap: 3px 14px; max-height: calc(100% - 48px); overflow: auto; font-size: 11px; scrollbar-width: thin; }
.vp-help b { font-weight: 600; white-space: nowrap; }
.vp-help span { color: var(--vp-dim); }
.vp-colours { left: 8px; display: flex; flex-wrap: wrap; gap: 6px; width: 228px; }
.vp-colours .vp-swatch { width: 20px; height: 20px; border-radius: 5px; }
.vp-colours .vp-swatch.vp-on { outline: 2px solid var(--vp-text); outline-offset: 1px; }
.vp-colours span { color: var(--vp-dim); font-size: 11px; }
.vp-locked .vp-stage { cursor: default; }
`;

export function addStyle(id = "vace-paths-style", css = CSS) {
  if (document.getElementById(id)) return;
  const style = document.createElement("style");
  style.id = id;
  style.textContent = css;
  document.head.append(style);
}
