// What the desk asks the server for on behalf of an object: its outline from points, its way through the clip.

import { t } from "../words.mjs";
import { Refused } from "./server.mjs";
import { withSelection } from "./shapes.mjs";

export class Asking {
  // `clipOf()` gives the clip as the routes know it, or null.
  constructor(session, server, clipOf) {
    Object.assign(this, { session, server, clipOf });
    session.onPoints = ({ inside, outside }) => this.points(inside, outside);
  }

  // A click: one more point inside or outside of the chosen object, or of a new one.
  point(place, isOutside) {
    const { session } = this;
    const { points, time } = session.state;
    const goesOn = points && points.id === session.object?.id && Math.abs(points.time - time) < 1e-6;
    const [inside, outside] = goesOn ? [points.inside, points.outside] : [[], []];
    if (isOutside) return this.points(inside, [...outside, place]);
    return this.points([...inside, place], outside);
  }

  async points(inside, outside) {
    const { session } = this;
    const { time } = session.state;
    if (!inside.length) return session.show({ message: t("Click first what belongs to the object.") });
    const asked = session.object;
    session.show({ points: { id: asked?.id, time, inside, outside } });
    const found = await this.ask("select", { time, inside, outside });
    if (!found?.strokes?.length) return found && session.show({ message: t("No outline was found there.") });
    // What was done to it meanwhile stays.
    const target = session.state.paths.find(({ id }) => id === asked?.id);
    if (asked && !target) return undefined;
    const object = withSelection(target ?? session.newObject([]), found.strokes, time, session.aspect);
    if (target) session.replace(object);
    else session.add(object);
    return session.show({ points: { id: object.id, time, inside, outside } });
  }

  async track(to) {
    const { session } = this;
    const { object } = session;
    const from = session.state.time;
    if (!object || from === to) return session.show({ message: t(to ? "This is the end of the clip: go to an earlier time." : "This is the start of the clip: go to a later time.") });
    const { id, goal, owner, tint, path, ...sent } = object;
    const found = await this.ask("track", { object: sent, from, to });
    if (found?.keys?.length) session.addTracked(id, from, to, found.keys);
    else if (found) session.show({ message: t("It could not be followed from here.") });
    return undefined;
  }

  // The answer, or null after a sentence of why there is none. One question at a time.
  async ask(route, body) {
    const { session } = this;
    const clip = this.clipOf();
    if (session.state.busy) return null;
    if (!clip) return this.say(t("There is no clip yet: link one, or run the node once."));
    session.show({ busy: route, message: "" });
    try {
      return await this.server.json(route, { clip, ...body });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.say(error.message || t("The server did not answer. The drawing is kept."));
    } finally {
      session.show({ busy: "" });
    }
  }

  say(message) {
    this.session.show({ busy: "", message });
    return null;
  }
}
