// What lies behind the boxes: a picture, several of them over time, a video that follows the time, or a grid. A video
// that the browser cannot show, or a clip that is no file, comes frame by frame (`framesOf`).

import { make } from "./elements.mjs";

export class Backdrop {
  // `onSize()` is called when the size of the picture becomes known.
  constructor(onSize, framesOf = () => null) {
    this.onSize = onSize;
    this.framesOf = framesOf; // gives what has `show(time)` → an image, or a promise of one; or null
    this.moment = null; // gives the second of a video at a time 0..1, where its frames are known
    this.element = make("div", { class: "vp-backdrop" });
    this.reset();
  }

  // `picture` is {kind, urls} or null. An image may have a `sharper` url: the same picture in more pixels, perhaps
  // with a border that the frame cuts off. It is shown instead, in a frame of the first one's shape.
  show(picture) {
    const signature = JSON.stringify(picture);
    if (signature === this.signature) return;
    this.reset();
    this.signature = signature;
    if (!picture) return;
    const { kind, urls, sharper } = picture;
    this.media = kind === "video" ? this.video(urls[0]) : this.images(urls);
    if (sharper && kind === "image" && urls.length === 1) this.sharpen(sharper, this.media[0]);
  }

  async sharpen(url, image) {
    const sharper = make("img", { src: url, alt: "", draggable: "false" });
    try {
      await Promise.all([sharper.decode(), image.decode()]);
    } catch {
      return; // one of them is gone or no image: the first stays
    }
    this.loaded(image, image.naturalWidth, image.naturalHeight);
    if (this.media[0] !== image || sharper.naturalWidth < 1.5 * image.naturalWidth) return;
    this.media = [sharper];
    this.seek(this.time);
  }

  reset() {
    this.signature = "null";
    this.frames = null;
    this.size = null; // {width, height} in pixels, once it is loaded
    this.media = [];
    this.time = 0;
    this.element.replaceChildren();
  }

  images(urls) {
    return urls.map((url) => {
      const image = make("img", { src: url, alt: "", draggable: "false" });
      image.addEventListener("load", () => this.loaded(image, image.naturalWidth, image.naturalHeight));
      return image;
    });
  }

  video(url) {
    const video = make("video", { src: url, preload: "auto", playsinline: "" });
    video.muted = true;
    video.addEventListener("loadeddata", () => this.loaded(video, video.videoWidth, video.videoHeight));
    video.addEventListener("seeked", () => this.seek(this.time));
    video.addEventListener("error", () => this.byFrames());
    return [video];
  }

  // From now on frames come from elsewhere, one at a time.
  async byFrames() {
    this.frames = this.framesOf();
    if (this.frames) await this.showFrame(this.time);
  }

  async showFrame(time) {
    const { frames } = this;
    const image = await frames.show(time);
    if (!image || frames !== this.frames) return;
    if (time !== this.time) return this.showFrame(this.time); // who asked for that was told to wait for this answer
    this.media = [image];
    this.size ??= { width: image.naturalWidth, height: image.naturalHeight };
    this.element.replaceChildren(image);
    this.onSize();
    return undefined;
  }

  // What is shown now: an image or a video.
  get medium() {
    return this.size ? this.element.firstChild : null;
  }

  loaded(medium, width, height) {
    if (!this.media.includes(medium) || !width) return;
    this.size ??= { width, height };
    this.seek(this.time);
    this.onSize();
  }

  // Shows the picture of `time`, 0..1 of the clip.
  seek(time) {
    if (this.frames && time !== this.time) this.showFrame(Object.assign(this, { time }).time);
    if (this.frames) return;
    this.time = time;
    const medium = this.media[Math.round(time * (this.media.length - 1))];
    if (!medium || !this.size) return;
    if (this.element.firstChild !== medium) this.element.replaceChildren(medium);
    if (medium.duration && !medium.seeking) this.seekVideo(medium, time);
  }

  seekVideo(video, time) {
    const end = video.duration - 0.02; // the very end shows nothing in some browsers
    const wanted = Math.max(Math.min(this.moment?.(time) ?? time * video.duration - 0.02, end), 0);
    if (Math.abs(video.currentTime - wanted) > 0.01) video.currentTime = wanted;
  }
}
