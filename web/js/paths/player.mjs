// Plays the paths at the speed of the clip, over and over.

export class Player {
  constructor(session) {
    this.session = session;
    this.request = 0;
  }

  toggle() {
    if (this.session.state.playing) this.stop();
    else this.start();
  }

  start() {
    const { state } = this.session;
    const seconds = Math.max((state.frames - 1) / state.fps, 0.1);
    const from = state.time >= 1 ? 0 : state.time;
    const began = performance.now() - from * seconds * 1000;
    this.session.show({ playing: true, key: -1, drawing: false });
    const tick = (now) => {
      const passed = Math.max(now - began, 0) / 1000 / seconds;
      // A little rest on the last frame, which is where the boxes arrive.
      const time = Math.min(passed % (1 + 0.3 / seconds), 1);
      this.session.goTo(Math.round(time / this.session.step) * this.session.step);
      this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.request);
    if (this.session.state.playing) this.session.show({ playing: false });
  }
}
