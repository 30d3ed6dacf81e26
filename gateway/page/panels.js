// Actors with their loops, releases with their lineage, who is kept out, and one agent's history.

import { ago, byId, count, make, percent, plural, say, shortName, small, spaced } from "./words.js";

const MOST_HOSTS = 12;
const ROW = 46;

const chip = (text, kind = "") => make("span", { class: `chip ${kind}` }, text);

/** What a loop has found and done, in words and counts. */
function loopOf(mape) {
  if (!mape || mape.cycles === undefined) return Object.keys(mape ?? {}).length ? countsOf(mape) : [make("span", { class: "what" }, "no loop has turned yet")];
  const box = make("div", { class: "chips" }, make("span", { class: "what" }, plural(mape.cycles, "cycle")));
  for (const [name, times] of Object.entries(mape.symptoms)) box.append(chip(`${spaced(name)} × ${count(times)}`, name === "convergence" ? "" : "symptom"));
  for (const [name, times] of Object.entries(mape.outcomes)) {
    const [action, result] = name.split(":");
    box.append(chip(`${spaced(action)}: ${result} × ${count(times)}`, result));
  }
  if (!Object.keys(mape.symptoms).length) box.append(make("span", { class: "what" }, "nothing found wrong"));
  const last = mape.last?.symptoms?.at(-1);
  const done = mape.last?.outcomes?.at(-1);
  if (!last) return [box];
  const answer = done ? ` → ${spaced(done.action)}: ${done.detail || done.result}` : "";
  return [box, make("p", { class: "last" }, `Last, in cycle ${count(mape.last.cycle)}: ${spaced(last.name)}, ${last.detail}${answer}`)];
}

function countsOf(counts) {
  return [make("div", { class: "chips" }, ...Object.entries(counts).map(([name, times]) => {
    const result = name.split(":")[1];
    return chip(`${spaced(name.replace(":", ": "))} × ${count(times)}`, result ?? "symptom");
  }))];
}

function doingOf(name, word) {
  if (word.agents !== undefined) return `${plural(word.agents, "agent")}${word.idle ? `, ${count(word.idle)} idle` : ""} · release ${word.release ?? "–"}${word.learning ? " · learning" : ""}`;
  if (name.includes("aggregator")) return word.round === null || word.round === undefined ? "no round open" : `round ${count(word.round)}: ${plural(word.valid, "valid update")}${word.late ? `, ${count(word.late)} late` : ""}`;
  return "measures convergence";
}

export function showActors(status) {
  const entries = Object.entries(status.actors ?? {});
  const silent = entries.filter(([, word]) => word === null);
  const hosts = entries.filter(([, word]) => word?.agents !== undefined);
  const judges = entries.filter(([, word]) => word && word.agents === undefined);
  const doing = status.round === null ? `idle · learning ${status.learning ? "by itself" : "on demand"}` : `${status.phase} in round ${count(status.round)}`;
  const rows = [
    row("coordinator", doing, loopOf(status.mape)),
    ...judges.map(([name, word]) => row(shortName(name), doingOf(name, word), loopOf(word.mape))),
    ...silent.map(([name]) => row(shortName(name), null, [make("span", { class: "silent-word" }, "does not answer")])),
    ...hosts.slice(0, MOST_HOSTS).map(([name, word]) => row(shortName(name), doingOf(name, word), loopOf(word.mape))),
  ];
  if (hosts.length > MOST_HOSTS) rows.push(make("p", { class: "note" }, `and ${plural(hosts.length - MOST_HOSTS, "more host")}, all of which answer`));
  byId("actors").replaceChildren(...rows);
  const dropped = entries.reduce((sum, [, word]) => sum + Object.values(word?.telemetry_dropped ?? {}).reduce((a, b) => a + b, 0), 0);
  say("actors-read", `${plural(entries.length + 1, "actor")}, ${silent.length ? `${count(silent.length)} silent` : "all answer"}${dropped ? ` · ${count(dropped)} telemetry records dropped` : ""}`);
}

function row(name, doing, loop) {
  return make("div", { class: "actor" },
    make("b", { class: doing === null ? "state silent" : "state" }, name),
    make("span", { class: "what" }, doing ?? ""),
    make("div", {}, ...loop));
}

export function showReleases(releases) {
  const box = byId("releases");
  if (!releases.length) return;
  const shown = releases.slice(0, 40);
  const list = make("ul", { class: "lineage" });
  shown.forEach((release, place) => {
    const notes = [
      place === 0 ? chip("in force", "force") : null,
      release.restores === null ? null : chip(`restores ${release.restores}`, "symptom"),
      release.version === 0 ? chip("genesis") : null,
    ];
    const accuracy = release.measures?.accuracy;
    list.append(make("li", { class: "version" },
      make("b", {}, String(release.version)),
      make("div", {}, make("span", { class: "chips" }, make("span", { class: "mono", title: release.digest }, release.digest.slice(0, 10)), ...notes.filter(Boolean))),
      make("div", { class: "right" }, make("span", { title: new Date(release.created * 1000).toISOString() }, ago(release.created)),
        make("br"), accuracy === undefined ? `KL ${small(release.measures?.kl_divergence ?? NaN)}` : percent(accuracy))));
  });
  list.append(lineage(shown));
  box.replaceChildren(make("div", { class: "list", tabindex: "0", role: "region", "aria-label": "Releases, newest first" }, list));
  const back = shown.filter((release) => release.restores !== null).length;
  say("releases-read", `${back ? `${plural(back, "rollback")} among the last ${shown.length}` : `the last ${shown.length}`}`);
}

/** Dots and lines beside the releases: each hangs on its parent, and a rollback reaches for what it restores. */
function lineage(releases) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("width", "40");
  svg.setAttribute("height", String(releases.length * ROW));
  svg.setAttribute("aria-hidden", "true");
  const add = (name, attributes) => {
    const node = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    svg.append(node);
  };
  const y = (place) => place * ROW + ROW / 2;
  const placeOf = new Map(releases.map((release, place) => [release.version, place]));
  add("line", { x1: 28, y1: y(0), x2: 28, y2: y(releases.length - 1), stroke: "var(--line)", "stroke-width": 2 });
  releases.forEach((release, place) => {
    if (release.restores === null) return;
    const to = placeOf.get(release.restores);
    const end = to === undefined ? releases.length * ROW : y(to);
    const bend = Math.min(26, 8 + (end - y(place)) / 12);
    add("path", { d: `M 28 ${y(place)} C ${28 - bend} ${y(place) + 12}, ${28 - bend} ${end - 12}, 28 ${end}`, fill: "none", stroke: "var(--warn)", "stroke-width": 2, "stroke-dasharray": "4 3" });
  });
  releases.forEach((release, place) => add("circle", {
    cx: 28, cy: y(place), r: place === 0 ? 6 : 4.5, stroke: "var(--surface)", "stroke-width": 2,
    fill: place === 0 ? "var(--accent)" : release.restores === null ? "var(--soft)" : "var(--warn)",
  }));
  return svg;
}

export function showApart(agents) {
  const box = byId("apart");
  say("apart-read", agents.length ? plural(agents.length, "agent") : "");
  if (!agents.length) {
    box.replaceChildren(make("p", { class: "empty" }, "Nobody is kept out."));
    return;
  }
  const sorted = [...agents].sort((a, b) => (a.standing === b.standing ? a.reputation - b.reputation || (a.agent < b.agent ? -1 : 1) : a.standing === "quarantined" ? -1 : 1));
  const rows = sorted.slice(0, 300).map((one) => make("li", { class: "kept" },
    make("b", {}, one.agent),
    make("meter", { min: 0, max: 1, low: 0.3, high: 0.7, optimum: 1, value: one.reputation, "aria-label": `reputation ${one.reputation.toFixed(2)}`, title: `reputation ${one.reputation.toFixed(2)}` }),
    make("span", { class: "note" }, one.standing === "quarantined" ? (one.quarantine_rounds ? `${plural(one.quarantine_rounds, "round")} left` : "in quarantine") : "on probation")));
  box.replaceChildren(make("div", { class: "list", tabindex: "0", role: "region", "aria-label": "Agents kept out" }, make("ul", {}, ...rows)));
  if (sorted.length > rows.length) box.append(make("p", { class: "note" }, `and ${count(sorted.length - rows.length)} more`));
}

/** The sentence for one verdict. */
export function verdictWords(found) {
  if (!found) return "no update was judged";
  const measured = Number.isFinite(found.score) && Number.isFinite(found.threshold) ? `, score ${small(found.score)} against ${small(found.threshold)}` : "";
  return found.decision === "accepted" ? `accepted${measured}` : `${found.decision} by ${spaced(found.judge)}: ${found.reason}${measured}`;
}

export function agentHistory(verdicts) {
  const rows = [...verdicts].reverse().map((found) => [String(found.round), found.decision, spaced(found.judge), found.reason || "–", small(found.score ?? NaN), small(found.threshold ?? NaN)]);
  return [`${plural(rows.length, "verdict")}, newest first`, ["Round", "Decision", "By", "Reason", "Score", "Threshold"], rows];
}
