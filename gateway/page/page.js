// The page: what it knows of the swarm, and when each part of it is drawn.

import { PHASES, Bars, accuracyCurve, klCurve, timeTable } from "./charts.js";
import { HeatMap, heatTable } from "./heat.js";
import { agentHistory, showActors, showApart, showReleases, verdictWords } from "./panels.js";
import { Follower, ask, keepToken } from "./stream.js";
import { LETTERS, LETTER_NAMES, accuracyOf, byId, count, duration, make, percent, plural, say, small, spaced, table } from "./words.js";

const KEPT = 200;
const known = { status: null, rounds: [], agents: [], hosts: [], releases: [], cursor: null };
const dirty = new Set();
let asked = 0;

// What changed is drawn once a frame, however much was heard meanwhile.
function redraw(...parts) {
  if (!dirty.size) requestAnimationFrame(draw);
  for (const part of parts) dirty.add(part);
}

function draw() {
  const parts = new Set(dirty);
  dirty.clear();
  const marks = known.releases.filter((release) => release.restores !== null).map(roundBefore);
  const shown = fitting();
  if (parts.has("rounds") || parts.has("cursor")) {
    for (const chart of charts) chart.draw(shown, cursorIn(shown), marks);
  }
  if (parts.has("rounds")) {
    map.draw(known.agents, known.hosts, known.rounds);
    say("heat-first", known.rounds.length ? String(known.rounds[0].round) : "");
    say("heat-last", known.rounds.length ? String(known.rounds.at(-1).round) : "");
    say("heat-shape", map.shape());
    byId("empty").hidden = known.status === null || known.rounds.length > 0;
    for (const box of document.querySelectorAll("details[open]")) fill(box);
  }
  if (known.status && (parts.has("rounds") || parts.has("status"))) showHealth();
  if (known.status && parts.has("status")) showActors(known.status);
}

/** The rounds that the width of the page has room for. */
function fitting() {
  return known.rounds.slice(-Math.max(Math.min(KEPT, Math.floor(byId("time").clientWidth / 4)), 20));
}

function cursorIn(shown) {
  const place = known.cursor === null ? -1 : shown.findIndex((record) => record.round === known.cursor);
  return place < 0 ? null : place;
}

function moveTo(place) {
  const number = place === null ? null : fitting()[place]?.round ?? null;
  if (number !== known.cursor) {
    known.cursor = number;
    redraw("cursor");
  }
}

/** The round that was the last before a release that came from none. */
function roundBefore(release) {
  return Math.max(0, ...known.releases.filter((other) => other.version < release.version).map((other) => other.round));
}

const charts = [
  new Bars(byId("time"), byId("time-read"), moveTo),
  klCurve(byId("kl"), byId("kl-read"), moveTo),
  accuracyCurve(byId("accuracy"), byId("accuracy-read"), moveTo),
];
const map = new HeatMap(byId("heat"), { read: readCell, pick: showAgent });

let reading = 0;
function readCell(cell) {
  const turn = ++reading;
  const out = byId("heat-read");
  if (!cell) {
    out.textContent = "Point at a cell, or move with the arrow keys, to read a verdict.";
    return;
  }
  const where = `${cell.agent}, round ${cell.round}`;
  out.textContent = `${where}: ${LETTER_NAMES[cell.letter]}`;
  if (cell.letter === "a" || cell.letter === ".") return;
  // Why is asked for once the cursor rests.
  setTimeout(async () => {
    if (turn !== reading) return;
    try {
      const path = `v1/agents/${encodeURIComponent(cell.agent)}/verdicts?after=${cell.round - 1}&limit=1`;
      const found = (await ask(path)).verdicts.find((one) => one.round === cell.round);
      if (turn === reading) out.textContent = `${where}: ${verdictWords(found)}`;
    } catch {
      if (turn === reading) out.textContent = `${where}: ${LETTER_NAMES[cell.letter]}. Why could not be asked just now.`;
    }
  }, 180);
}

async function showAgent(agent) {
  const box = byId("agent");
  byId("agent-title").textContent = agent;
  byId("agent-body").replaceChildren(make("p", { class: "empty" }, "Asking for its verdicts."));
  box.hidden = false;
  box.focus({ preventScroll: true });
  box.scrollIntoView({ block: "nearest" });
  try {
    const after = Math.max((known.rounds[0]?.round ?? 1) - 1, 0);
    const path = `v1/agents/${encodeURIComponent(agent)}`;
    const [facts, page] = await Promise.all([ask(path), ask(`${path}/verdicts?after=${after}&limit=200`)]);
    const facts_line = `On ${facts.host} · ${facts.standing}, reputation ${facts.reputation.toFixed(2)}${facts.idle ? " · has no data" : ""}`;
    const region = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Verdicts on ${agent}` }, table(...agentHistory(page.verdicts)));
    byId("agent-body").replaceChildren(make("p", { class: "note" }, facts_line), region);
  } catch (error) {
    byId("agent-body").replaceChildren(make("p", { class: "empty" }, error.message));
  }
}

function showHealth() {
  const { status, rounds } = known;
  const last = rounds.at(-1);
  const [level, sentence] = healthOf(status, last);
  if (byId("health").dataset.health !== level) byId("health").dataset.health = level;
  say("health-text", sentence);
  const live = status.round !== null;
  say("tile-round", count(Math.max(status.round ?? status.rounds, last?.round ?? 0)));
  say("note-round", live ? spaced(status.phase) : status.learning ? "between rounds" : "idle, on demand");
  say("tile-release", status.release ? count(status.release.version) : "–");
  say("note-release", status.release ? status.release.digest.slice(0, 10) : "none yet");
  const convergence = status.convergence ?? {};
  say("tile-kl", small(convergence.kl_divergence ?? NaN));
  say("note-kl", convergence.rounds_remaining ? `${convergence.status}, about ${plural(convergence.rounds_remaining, "round")} to go` : convergence.status ?? "");
  const judged = rounds.findLast((record) => accuracyOf(record) !== null);
  say("tile-accuracy", judged ? percent(accuracyOf(judged)) : "–");
  const best = Math.max(...rounds.map((record) => accuracyOf(record) ?? -1));
  say("note-accuracy", judged ? `best shown ${percent(best)}` : "not measured by this workload");
  const verdicts = last?.verdicts;
  say("tile-updates", verdicts ? `${count(verdicts.accepted + verdicts.clipped)} of ${count(last.enrolled)}` : "–");
  say("note-updates", verdicts ? `${count(verdicts.rejected)} rejected, quorum ${count(last.quorum)}` : `quorum ${count(status.agents - status.fault_bound)}`);
  const times = rounds.slice(-20).filter((record) => record.release).map((record) => record.total_duration_ms).filter(Number.isFinite).sort((a, b) => a - b);
  say("tile-time", duration(last?.release ? last.total_duration_ms : NaN));
  say("note-time", times.length ? `median of ${times.length}: ${duration(times[times.length >> 1])}` : "");
}

/** How the swarm is, in one line: the worst that is true comes first. */
function healthOf(status, last) {
  if (status.reachable === false) return ["bad", "The gateway is here, and the coordinator does not answer. It may be restarting."];
  const silent = Object.entries(status.actors ?? {}).filter(([, word]) => word === null).map(([name]) => name.replace(/^swarmlore-/, ""));
  const hosts = Object.values(status.actors ?? {}).filter((word) => word?.agents !== undefined);
  const reached = hosts.reduce((sum, word) => sum + word.agents, 0);
  if (hosts.length + silent.length && reached < status.agents - status.fault_bound) return ["bad", `No quorum: ${count(reached)} agents can be reached, ${count(status.agents - status.fault_bound)} are needed.`];
  if (last && !last.release) return ["bad", `Round ${count(last.round)} ended without a release: ${last.error?.message ?? last.status}`];
  if (silent.length) return ["warn", `${silent.slice(0, 4).join(", ")}${silent.length > 4 ? ` and ${silent.length - 4} more` : ""} ${silent.length === 1 ? "does" : "do"} not answer; a quorum is within reach.`];
  const trend = status.convergence?.status;
  if (trend === "diverging" || trend === "stalled") return ["warn", `Learning is ${trend}. ${plural(status.agents, "agent")}, release ${status.release?.version ?? "–"} in force.`];
  const out = status.quarantined?.length ?? 0;
  const kept = out ? `, ${plural(out, "agent")} in quarantine` : "";
  const trust = last?.validators_disagree ? ["warn", "Validators disagree. "] : ["ok", "Healthy. "];
  const learned = trend === "converged" ? "Converged" : !last ? "No round yet" : status.learning ? "Learning" : "Waiting for the next round";
  return [trust[0], `${trust[1]}${learned}; ${plural(status.agents, "agent")} with up to ${count(status.fault_bound)} liars tolerated${kept}.`];
}

async function refresh() {
  const turn = ++asked;
  try {
    const found = await ask("v1/snapshot?rounds=0");
    if (turn !== asked) return;
    known.releases = found.releases;
    showReleases(found.releases);
    showApart(found.apart);
    redraw("cursor");
  } catch {
    // The next change asks again; the stream says when the gateway is gone.
  }
}

let due = 0;
function refreshSoon() {
  due ||= setTimeout(() => {
    due = 0;
    refresh();
  }, 400);
}

const follower = new Follower({
  snapshot(found) {
    Object.assign(known, { status: found.status, rounds: found.rounds.slice(-KEPT), agents: found.agents, hosts: found.hosts, releases: found.releases });
    byId("locked").hidden = true;
    document.body.dataset.state = "ready";
    say("run", `run ${found.status.run} · ${spaced(found.status.kind)} · ${plural(found.status.agents, "agent")}`);
    say("version", found.version ?? "");
    charts[1].threshold = found.status.convergence?.threshold ?? null;
    showReleases(found.releases);
    showApart(found.apart);
    redraw("rounds", "status");
  },
  event(name, document_) {
    if (name === "status") takeStatus(document_);
    else if (name === "round") takeRound(document_);
  },
  link(state, detail = "", wait = 0) {
    document.body.dataset.link = state;
    byId("link").dataset.link = state;
    say("link-text", { connecting: "Connecting", live: "Live", lost: "Reconnecting" }[state]);
    byId("fault").hidden = state !== "lost";
    if (state === "lost") {
      byId("fault-title").textContent = known.status ? "The connection was lost" : "The swarm does not answer";
      byId("fault-text").textContent = `${detail} ${known.status ? "What is shown is from before. " : ""}Trying again ${wait < 1500 ? "in a second" : `in ${Math.round(wait / 1000)} seconds`}.`;
      announce("Connection lost, reconnecting.");
    } else if (state === "live") announce("Live.");
  },
  locked() {
    byId("locked").hidden = false;
    document.body.dataset.link = "lost";
    byId("link").dataset.link = "locked";
    say("link-text", "Locked");
    say("health-text", "Not shown without a token.");
    byId("token").focus();
  },
});

function takeStatus(status) {
  const before = known.status;
  known.status = { ...before, ...status };
  // Another coordinator may be that of another run, whose rounds have the same numbers.
  if (before && status.reachable !== false && (status.run !== before.run || status.process !== before.process)) {
    follower.restart();
    return;
  }
  const parts = (one) => JSON.stringify([one?.release?.version, one?.quarantined, one?.observed]);
  if (parts(before) !== parts(status)) refreshSoon();
  redraw("status");
}

function takeRound(record) {
  if (record.round <= (known.rounds.at(-1)?.round ?? 0)) return;
  known.rounds.push(record);
  if (known.rounds.length > KEPT) known.rounds.shift();
  if (!record.release) announce(`Round ${record.round} ended without a release.`);
  redraw("rounds");
}

let announced = "";
function announce(text) {
  if (text !== announced) byId("announce").textContent = announced = text;
}

function fill(box) {
  const made = box.dataset.table === "time" ? timeTable(known.rounds) : heatTable(map);
  const region = box.querySelector(".scroll");
  const [top, left] = [region.scrollTop, region.scrollLeft];
  region.replaceChildren(table(...made));
  region.scrollTo(left, top);
}

function legend(id, entries) {
  const colours = entries.map(([variable, word]) => {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = `var(--${variable})`;
    return make("li", {}, swatch, word);
  });
  byId(id).replaceChildren(...colours);
}

legend("time-legend", [...PHASES.map(([name, word]) => [name, word]), ["other", "between phases"]]);
legend("heat-legend", [...LETTERS.map((letter) => [`cell-${letter}`, LETTER_NAMES[letter]]), ["cell-none", LETTER_NAMES["."]]]);
for (const box of document.querySelectorAll("details[data-table]")) box.addEventListener("toggle", () => box.open && fill(box));
byId("heat-order").addEventListener("change", (event) => map.sortBy(event.target.value));
byId("retry").addEventListener("click", () => follower.wake());
byId("agent-close").addEventListener("click", () => {
  byId("agent").hidden = true;
  byId("heat").focus();
});
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(byId("token").value.trim());
  byId("token").value = "";
  follower.wake();
});
new ResizeObserver(() => redraw("rounds")).observe(byId("grid"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw("rounds"));
setInterval(() => known.releases.length && !document.hidden && showReleases(known.releases), 60000);
follower.run();
