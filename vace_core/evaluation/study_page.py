"""The page of a study: one static file beside its clips, which shows them blind and saves what a rater says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem }
video { max-width: 100%; max-height: 60vh; background: #0001 } figure { margin: 0 } figcaption { color: #888 }
fieldset { border: 0; padding: 0; margin: 1rem 0 } legend { font-weight: 600 }
label.score { display: inline-block; padding: .4rem 1rem; border: 1px solid #8886; border-radius: .4rem; margin: .2rem }
.films { display: flex; flex-wrap: wrap; gap: 1rem } button { font: inherit; padding: .4rem 1.2rem }
#prompt { font-size: 1.1rem } [hidden] { display: none }
"""

_SCRIPT = """
const told = JSON.parse(document.getElementById("told").textContent);
const by = (id) => document.getElementById(id);
let rater = "", order = [], answers = {}, at = 0;

// Every rater has an order of their own, the same after a reload.
function shuffled(clips, seed) {
  let state = 2166136261;
  for (const letter of seed) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  const dice = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const left = [...clips], found = [];
  while (left.length) found.push(left.splice(Math.floor(dice() * left.length), 1)[0]);
  return found;
}

const place = () => `vace-study:${told.study}:${rater}`;

function remember() {
  try { localStorage.setItem(place(), JSON.stringify(answers)); } catch { /* the file that is saved is what counts */ }
}

function recall() {
  try { return JSON.parse(localStorage.getItem(place()) || "{}"); } catch { return {}; }
}

const rated = (one) => (answers[one.clip] || [null]).every((answer) => answer !== null);

function start(event) {
  event.preventDefault();
  rater = by("rater").value.trim();
  if (!rater) return;
  order = shuffled(told.clips, rater + told.study);
  answers = recall();
  at = Math.max(order.findIndex((one) => !rated(one)), 0);
  by("welcome").hidden = true;
  by("rate").hidden = false;
  show();
}

function show() {
  const one = order[at];
  by("film").src = "clips/" + one.clip;
  by("given").hidden = !one.source;
  if (one.source) by("source").src = "clips/" + one.source;
  by("prompt").textContent = one.prompt;
  const said = answers[one.clip] || [];
  document.querySelectorAll("input[type=radio]").forEach((input) => {
    input.checked = said[Number(input.name.slice(1))] === Number(input.value);
  });
  state();
}

function state() {
  const done = order.filter(rated).length;
  by("count").textContent = `Clip ${at + 1} of ${order.length}, ${done} rated`;
  by("back").disabled = at === 0;
  by("next").disabled = !rated(order[at]) || at === order.length - 1;
  by("all").hidden = done < order.length;
}

function answer() {
  answers[order[at].clip] = told.questions.map((_, number) => {
    const chosen = document.querySelector(`input[name=q${number}]:checked`);
    return chosen ? Number(chosen.value) : null;
  });
  remember();
  state();
}

function save() {
  const ratings = Object.fromEntries(order.filter(rated).map((one) => [one.clip, answers[one.clip]]));
  const said = JSON.stringify({ study: told.study, rater, ratings }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([said], { type: "application/json" }));
  link.download = `ratings-${rater.replace(/[^\\p{L}\\p{N}_-]+/gu, "-")}.json`;
  link.click();
}

by("start").addEventListener("submit", start);
by("back").addEventListener("click", () => { at -= 1; show(); });
by("next").addEventListener("click", () => { at += 1; show(); });
by("save").addEventListener("click", save);
document.querySelectorAll("input[type=radio]").forEach((input) => input.addEventListener("change", answer));
"""

_BODY = """
<section id=welcome><h1>Video study</h1>
<p>You will see {count} short clips, one at a time, each with what it was asked to show. Rate each from 1 (bad) to
5 (excellent). You can stop at any time, save, and go on in the same browser under the same name.</p>
<form id=start><label>Your name or number: <input id=rater required maxlength=80></label> <button>Start</button></form>
</section>
<section id=rate hidden><p id=count></p><p id=prompt></p>
<div class=films><figure id=given><video id=source controls loop muted autoplay></video>
<figcaption>what was given</figcaption></figure>
<figure><video id=film controls loop muted autoplay></video><figcaption>the clip to rate</figcaption></figure></div>
{questions}
<p><button id=back>Back</button> <button id=next>Next</button> <button id=save>Save ratings</button></p>
<p id=all hidden>All clips are rated. Please save your ratings and hand in the file.</p></section>
"""


def page_of(study: str, questions: Sequence[str], clips: Sequence[Mapping[str, str]]) -> str:
    """The page.

    Args:
        study: The study's number, which goes into every file of ratings.
        questions: What is asked of every clip.
        clips: For each its file ("clip"), its "prompt" and, where something was given, the file of its "source".
    """
    told = json.dumps({"study": study, "questions": list(questions), "clips": list(clips)})
    asked = "".join(_question(number, question) for number, question in enumerate(questions))
    # Inside a script only "</" could end it.
    data = f'<script type="application/json" id=told>{told.replace("<", chr(92) + "u003c")}</script>'
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Video study</title><style>{_STYLE}</style>"
        f"<body>{_BODY.format(count=len(clips), questions=asked)}{data}<script>{_SCRIPT}</script></body></html>\n"
    )


def _question(number: int, question: str) -> str:
    scores = "".join(
        f"<label class=score><input type=radio name=q{number} value={score}> {score}</label>" for score in range(1, 6)
    )
    return f"<fieldset><legend>{question.capitalize()}</legend>{scores}</fieldset>"
