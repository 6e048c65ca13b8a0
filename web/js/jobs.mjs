// What was queued from this page. ComfyUI hands what a job shows to the node of the same number in whatever workflow is
// open by then, and a node may be another than it was when the job was queued.

const MOST = 200; // jobs

const jobs = new Map(); // id → {workflow, seen}
const watched = new Set();
let sending = null; // the job whose id is not known yet
let host = null;

// From now on what a job shows names the job. Extensions are read before ComfyUI listens, so this comes first.
export function followJobs({ app, api }) {
  if (host || !api.queuePrompt) return;
  host = app;
  const queue = api.queuePrompt;
  api.queuePrompt = async (...given) => {
    const job = { workflow: openWorkflow(host), seen: new Map([...watched].map((look) => look())) };
    sending = job;
    try {
      const answer = await queue.apply(api, given);
      if (answer?.prompt_id) jobs.set(answer.prompt_id, job);
      if (jobs.size > MOST) jobs.delete(jobs.keys().next().value);
      return answer;
    } finally {
      if (sending === job) sending = null;
    }
  };
  api.addEventListener("executed", ({ detail }) => {
    if (sending && !jobs.has(detail.prompt_id)) jobs.set(detail.prompt_id, sending);
    if (detail.output && typeof detail.output === "object") detail.output.vace_job = [detail.prompt_id];
  });
}

// `look()` gives [name, value]: what a node sees, kept with every job that is queued. Returns what ends that.
export function watch(look) {
  watched.add(look);
  return () => watched.delete(look);
}

// The value that was there when the job was queued that showed `output`; undefined where that is not known.
export function seenBy(output, name) {
  return jobs.get(output?.vace_job?.[0])?.seen.get(name);
}

// Whether a job belongs to another workflow than is open. A job of before the page was loaded belongs to any.
export function isElsewhere(id) {
  const job = jobs.get(id);
  return Boolean(job) && job.workflow !== openWorkflow(host);
}

export function isOfElsewhere(output) {
  return isElsewhere(output?.vace_job?.[0]);
}

// Whether a job was queued from the workflow that is open.
export function isHere(id) {
  return jobs.has(id) && !isElsewhere(id);
}

// What is open, to be compared: workflows may share their id.
export function openWorkflow(app) {
  return app.extensionManager?.workflow?.activeWorkflow ?? (app.rootGraph ?? app.graph)?.id;
}
