// Reads questions as JSON from stdin and answers them with the editor's own modules. For test_same_rules.py.

import { readFileSync } from "node:fs";
import { readPaths, writePaths } from "../../web/js/paths/format.mjs";
import { boxAt } from "../../web/js/paths/motion.mjs";

const ANSWERS = {
  read: ({ text }) => readPaths(text).kind,
  rewrite: ({ text }) => writePaths(readPaths(text).paths),
  boxes: ({ text, frames }) =>
    readPaths(text).paths.map((path) =>
      Array.from({ length: frames }, (_, i) => Object.values(boxAt(path, frames > 1 ? i / (frames - 1) : 0))),
    ),
};

const questions = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(questions.map((question) => ANSWERS[question.ask](question))));
