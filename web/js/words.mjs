// What the editors say, in the language of ComfyUI: English is the key, `words/` holds the others.

import { CHINESE } from "./words/chinese.mjs";

const TABLES = { zh: CHINESE, "zh-TW": CHINESE };
let table = {};

// Sets the language from ComfyUI's own setting, or the browser's.
export function speak(app) {
  const chosen =
    app.extensionManager?.setting?.get?.("Comfy.Locale") ?? app.ui?.settings?.getSettingValue?.("Comfy.Locale");
  const locale = chosen || navigator.language;
  table = TABLES[locale] ?? TABLES[locale.split("-")[0]] ?? {};
}

// `text` in that language, English where it has none; {name} stands for a value.
export function t(text, values = {}) {
  return (table[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}
