// Copies a path as text, so that it can go to another object, another node, another window or a file.

import { t } from "../words.mjs";

let last = null; // what any editor of this page copied, for the paste button

export class PathClipboard {
  constructor(session, catcher) {
    this.session = session;
    catcher.addEventListener("copy", (event) => this.onCopy(event));
    catcher.addEventListener("cut", (event) => {
      if (this.onCopy(event) && session.isEditable) session.removeObject();
    });
    catcher.addEventListener("paste", (event) => {
      claim(event);
      if (session.isEditable) session.paste(event.clipboardData.getData("text/plain"));
    });
  }

  get canPaste() {
    return last !== null;
  }

  onCopy(event) {
    claim(event);
    const text = this.remember();
    if (text) event.clipboardData.setData("text/plain", text);
    return text;
  }

  copy() {
    const text = this.remember();
    // Without a secure page there is no such clipboard; the paste button works all the same.
    if (text) navigator.clipboard?.writeText(text).catch(() => {});
  }

  paste() {
    if (last) this.session.paste(last);
  }

  remember() {
    const text = this.session.copied();
    if (!text) return null;
    last = text;
    this.session.show({
      message: t("Copied “{name}”. Paste it here or in another editor.", { name: this.session.path.label || t("the path") }),
    });
    return text;
  }
}

function claim(event) {
  event.preventDefault();
  event.stopPropagation();
}
