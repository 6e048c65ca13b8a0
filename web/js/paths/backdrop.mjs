// What lies behind the boxes: a picture, several of them over time, a video that follows the time, or a grid.

import { make } from "./elements.mjs";

export class Backdrop {
  // `onSize()` is called when the size of the picture becomes known.
  constructor(onSize) {
    this.onSize = onSize;
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
    return [video];
  }

  loaded(medium, width, height) {
    if (!this.media.includes(medium) || !width) return;
    this.size ??= { width, height };
    this.seek(this.time);
    this.onSize();
  }

  // Shows the picture of `time`, 0..1 of the clip.
  seek(time) {
    this.time = time;
    const medium = this.media[Math.round(time * (this.media.length - 1))];
    if (!medium || !this.size) return;
    if (this.element.firstChild !== medium) this.element.replaceChildren(medium);
    if (medium.duration && !medium.seeking) this.seekVideo(medium, time);
  }

  seekVideo(video, time) {
    const wanted = Math.max(time * video.duration - 0.02, 0); // the very end shows nothing in some browsers
    if (Math.abs(video.currentTime - wanted) > 0.01) video.currentTime = wanted;
  }
}
