// Asks the pack's routes: the contact sheet, frames, a selection, a track. What is refused is a sentence.

export class Refused extends Error {}

export class Server {
  // `send(route, options)` fetches from ComfyUI.
  constructor(send) {
    this.send = send;
  }

  async ask(route, body, signal) {
    let answer;
    try {
      answer = await this.send(`/vace/desk/${route}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused("");
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => null);
    throw new Refused(told?.message ?? "");
  }

  async json(route, body) {
    return (await this.ask(route, body)).json();
  }
}
