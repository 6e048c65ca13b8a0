// Reads questions as JSON from stdin and answers them with the editor's own modules. For test_same_rules.py.

import { readFileSync } from "node:fs";
import { readPaths, writePaths } from "../../web/js/paths/format.mjs";
import { strokesAt, strokesOnPath } from "../../web/js/desk/carry.mjs";
import { readDesk, writeDesk } from "../../web/js/desk/format.mjs";
import { boxAt } from "../../web/js/paths/motion.mjs";

const ANSWERS = {
  "read desk": ({ text }) => readDesk(text).kind,
  "rewrite desk": ({ text }) => {
    const { objects, clip } = readDesk(text);
    return writeDesk(objects, clip);
  },
  // What each object's mask is made of, frame by frame; `there` where its path takes it.
  strokes: ({ text, frames, aspect, there }) =>
    readDesk(text).objects.map((object) =>
      Array.from({ length: frames }, (_, i) => {
        const time = frames > 1 ? i / (frames - 1) : 0;
        return there ? strokesOnPath(object, object.path, time, aspect) : strokesAt(object, time, aspect);
      }),
    ),
  read: ({ text }) => readPaths(text).kind,
  rewrite: ({ text }) => writePaths(readPaths(text).paths),
  boxes: ({ text, frames }) =>
    readPaths(text).paths.map((path) =>
      Array.from({ length: frames }, (_, i) => Object.values(boxAt(path, frames > 1 ? i / (frames - 1) : 0))),
    ),
};

const questions = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(questions.map((question) => ANSWERS[question.ask](question))));
