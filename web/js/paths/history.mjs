// Undo and redo: a list of states and a place in it.

const LONGEST = 200;

export class History {
  constructor(first) {
    this.restart(first);
  }

  restart(first) {
    this.states = [first];
    this.place = 0;
  }

  push(state) {
    this.states = [...this.states.slice(0, this.place + 1), state].slice(-LONGEST);
    this.place = this.states.length - 1;
  }

  get canUndo() {
    return this.place > 0;
  }

  get canRedo() {
    return this.place < this.states.length - 1;
  }

  get state() {
    return this.states[this.place];
  }

  undo() {
    if (this.canUndo) this.place--;
  }

  redo() {
    if (this.canRedo) this.place++;
  }
}
