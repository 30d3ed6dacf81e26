// Charts over rounds, on canvas: stacked bars of a round's phases, and curves. All share one cursor, and each
// is a slider over the rounds, so that the arrow keys read it.

import { accuracyOf, count, duration, percent, plural, small } from "./words.js";

export const PHASES = [
  ["learn", "learning", "local_training_ms"],
  ["gate", "gate", "gate_ms"],
  ["screen", "screen", "screen_ms"],
  ["aggregate", "aggregation", "aggregation_ms"],
  ["validate", "validation", "validation_ms"],
  ["release", "release", "release_ms"],
  ["distribute", "distribution", "distribution_ms"],
];
const PAD = { left: 52, right: 10, top: 10, bottom: 22 };

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Milliseconds of each phase, and of what is between them. Phases that overlap can add up to more than the whole. */
export function phasesOf(record) {
  const parts = PHASES.map(([, , field]) => record[field] ?? 0);
  const rest = Math.max((record.total_duration_ms ?? 0) - parts.reduce((sum, part) => sum + part, 0), 0);
  return [...parts, rest];
}

class Chart {
  constructor(canvas, read, move) {
    this.canvas = canvas;
    this.read = read;
    this.rounds = [];
    this.cursor = null;
    canvas.addEventListener("pointermove", (event) => move(this.at(event)));
    canvas.addEventListener("pointerdown", (event) => move(this.at(event)));
    canvas.addEventListener("pointerleave", () => document.activeElement === canvas || move(null));
    canvas.addEventListener("blur", () => move(null));
    canvas.addEventListener("focus", () => this.cursor ?? move(this.rounds.length - 1));
    canvas.addEventListener("keydown", (event) => {
      const last = this.rounds.length - 1;
      const here = this.cursor ?? last;
      const to = { ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, PageUp: here + 10, PageDown: here - 10, Home: 0, End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      move(Math.min(Math.max(to, 0), last));
    });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = (event.clientX - box.left - PAD.left) / Math.max(box.width - PAD.left - PAD.right, 1);
    return this.rounds.length && place >= 0 && place <= 1 ? Math.min(Math.floor(place * this.rounds.length), this.rounds.length - 1) : null;
  }

  draw(rounds, cursor, marks) {
    this.rounds = rounds;
    this.cursor = cursor;
    const { canvas } = this;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const plot = { x: PAD.left, y: PAD.top, w: width - PAD.left - PAD.right, h: height - PAD.top - PAD.bottom };
    pen.font = "12px system-ui, sans-serif";
    if (rounds.length) this.paint(pen, plot, rounds);
    else this.blank(pen, plot);
    this.foot(pen, plot, rounds, marks);
    if (cursor !== null && rounds[cursor]) this.point(pen, plot, cursor);
    const shown = cursor ?? rounds.length - 1;
    const text = rounds[shown] ? this.words(rounds[shown]) : "";
    if (this.read.textContent !== text) this.read.textContent = text;
    canvas.setAttribute("aria-valuemin", rounds[0]?.round ?? 0);
    canvas.setAttribute("aria-valuemax", rounds.at(-1)?.round ?? 0);
    canvas.setAttribute("aria-valuenow", rounds[shown]?.round ?? 0);
    canvas.setAttribute("aria-valuetext", text || "no round yet");
  }

  blank(pen, plot, words = "no round yet") {
    pen.fillStyle = colour("soft");
    pen.textAlign = "center";
    pen.fillText(words, plot.x + plot.w / 2, plot.y + plot.h / 2);
  }

  scale(pen, plot, ticks, place) {
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const [value, text] of ticks) {
      const y = place(value);
      pen.fillStyle = colour("line");
      pen.fillRect(plot.x, Math.round(y), plot.w, 1);
      pen.fillStyle = colour("soft");
      pen.fillText(text, plot.x - 7, y);
    }
  }

  foot(pen, plot, rounds, marks) {
    if (!rounds.length) return;
    const step = plot.w / rounds.length;
    pen.fillStyle = colour("soft");
    pen.textBaseline = "alphabetic";
    const y = plot.y + plot.h + 16;
    pen.textAlign = "left";
    pen.fillText(`round ${count(rounds[0].round)}`, plot.x, y);
    if (rounds.length > 1) {
      pen.textAlign = "right";
      pen.fillText(count(rounds.at(-1).round), plot.x + plot.w, y);
    }
    pen.strokeStyle = colour("warn");
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    for (const after of marks) {
      const at = rounds.findIndex((record) => record.round > after);
      if (at < 1) continue;
      pen.beginPath();
      pen.moveTo(plot.x + at * step, plot.y);
      pen.lineTo(plot.x + at * step, plot.y + plot.h);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  point(pen, plot, cursor) {
    const step = plot.w / this.rounds.length;
    pen.strokeStyle = colour("ink");
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1;
    pen.strokeRect(plot.x + cursor * step + 0.5, plot.y + 0.5, Math.max(step - 1, 1), plot.h);
    pen.globalAlpha = 1;
  }
}

export class Bars extends Chart {
  paint(pen, plot, rounds) {
    const sums = rounds.map((record) => phasesOf(record).reduce((sum, part) => sum + part, 0));
    const most = nice(quantile(sums, 0.98) * 1.1 || 1);
    const y = (value) => plot.y + plot.h - (plot.h * Math.min(value, most)) / most;
    this.scale(pen, plot, [0, most / 2, most].map((value) => [value, value ? duration(value).replace(/\.0+(?= )/, "") : "0"]), y);
    const step = plot.w / rounds.length;
    const width = Math.min(Math.max(step - (step > 4 ? 1.5 : 0.3), 0.8), 48);
    const paints = [...PHASES.map(([name]) => colour(name)), colour("other")];
    rounds.forEach((record, place) => {
      const x = plot.x + place * step + (step - width) / 2;
      let sum = 0;
      phasesOf(record).forEach((part, phase) => {
        if (part <= 0 || sum >= most) return;
        pen.fillStyle = paints[phase];
        pen.fillRect(x, y(sum + part), width, y(sum) - y(sum + part));
        sum += part;
      });
      if (sums[place] > most) {
        // Higher than is shown: the cursor reads how high.
        pen.fillStyle = colour("surface");
        pen.fillRect(x, plot.y + 4, width, 2);
      }
      if (!record.release) {
        pen.fillStyle = colour("bad");
        pen.fillRect(x, plot.y + plot.h - 3, width, 3);
      }
    });
  }

  words(record) {
    if (!record.release) return `Round ${record.round}: ended without a release (${record.error?.code ?? record.status})`;
    const parts = phasesOf(record);
    const named = [...PHASES.map(([, word], place) => [word, parts[place]]), ["between", parts.at(-1)]];
    const top = named.sort((a, b) => b[1] - a[1]).slice(0, 3).map(([word, ms]) => `${word} ${duration(ms)}`);
    return `Round ${record.round}: ${duration(record.total_duration_ms)}; ${top.join(", ")}`;
  }
}

export class Curve extends Chart {
  constructor(canvas, read, move, { value, log = false, name, show }) {
    super(canvas, read, move);
    Object.assign(this, { value, log, name, show, threshold: null });
  }

  paint(pen, plot, rounds) {
    const values = rounds.map((record) => this.value(record));
    const known = values.filter((value) => Number.isFinite(value) && (!this.log || value > 0));
    if (!known.length) return this.blank(pen, plot, `${this.name} not measured`);
    const y = this.log ? this.logarithmic(pen, plot, known) : this.linear(pen, plot, known);
    const step = plot.w / rounds.length;
    if (this.threshold) {
      const at = y(this.threshold);
      pen.strokeStyle = colour("threshold");
      pen.setLineDash([6, 4]);
      pen.beginPath();
      pen.moveTo(plot.x, at);
      pen.lineTo(plot.x + plot.w, at);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = colour("threshold");
      pen.textAlign = "right";
      pen.textBaseline = "bottom";
      pen.fillText(`converged below ${small(this.threshold)}`, plot.x + plot.w, at - 2);
    }
    pen.strokeStyle = pen.fillStyle = colour("curve");
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.beginPath();
    let open = false;
    values.forEach((value, place) => {
      if (!Number.isFinite(value) || (this.log && value <= 0)) {
        open = false;
        return;
      }
      const [px, py] = [plot.x + (place + 0.5) * step, y(value)];
      open ? pen.lineTo(px, py) : pen.moveTo(px, py);
      open = true;
    });
    pen.stroke();
    const shown = this.cursor ?? values.findLastIndex((value) => Number.isFinite(value) && (!this.log || value > 0));
    if (Number.isFinite(values[shown]) && (!this.log || values[shown] > 0)) {
      pen.beginPath();
      pen.arc(plot.x + (shown + 0.5) * step, y(values[shown]), 4, 0, 7);
      pen.fill();
    }
  }

  logarithmic(pen, plot, known) {
    const all = this.threshold ? [...known, this.threshold] : known;
    let [low, high] = [Math.floor(Math.log10(Math.min(...all)) - 0.05), Math.ceil(Math.log10(Math.max(...all)) + 0.05)];
    if (high - low < 2) low = high - 2;
    const y = (value) => plot.y + plot.h - (plot.h * (Math.log10(value) - low)) / (high - low);
    const stride = Math.ceil((high - low) / 5);
    const ticks = [];
    for (let power = high; power >= low; power -= stride) ticks.push([10 ** power, power >= -3 && power <= 3 ? String(Number((10 ** power).toPrecision(1))) : `1e${power}`]);
    this.scale(pen, plot, ticks, y);
    return y;
  }

  linear(pen, plot, known) {
    let [low, high] = [Math.min(...known), Math.max(...known)];
    const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((one) => (high - low) / one <= 3) ?? 0.25;
    [low, high] = [Math.floor(low / step) * step, Math.min(Math.ceil(high / step) * step, Math.max(1, high))];
    if (high - low < step) low = high - step;
    const y = (value) => plot.y + plot.h - (plot.h * (value - low)) / (high - low || 1);
    const ticks = [];
    for (let value = low; value <= high + step / 2; value += step) ticks.push([Math.min(value, high), `${(100 * Math.min(value, high)).toFixed(step < 0.01 ? 1 : 0)} %`]);
    this.scale(pen, plot, ticks, y);
    return y;
  }

  words(record) {
    const value = this.value(record);
    return Number.isFinite(value) ? `Round ${record.round}: ${this.show(value)}` : `Round ${record.round}: ${this.name} not measured`;
  }
}

export const klCurve = (canvas, read, move) => new Curve(canvas, read, move, { value: (record) => record.kl_divergence, log: true, name: "KL", show: small });
export const accuracyCurve = (canvas, read, move) => new Curve(canvas, read, move, { value: accuracyOf, name: "accuracy", show: percent });

export function timeTable(rounds) {
  const columns = ["Round", "Total", ...PHASES.map(([, word]) => word), "between", "KL", "Accuracy", "Accepted", "Rejected"];
  const rows = [...rounds].reverse().map((record) => [
    String(record.round), duration(record.total_duration_ms), ...phasesOf(record).map(duration), small(record.kl_divergence), percent(accuracyOf(record)),
    count((record.verdicts?.accepted ?? NaN) + (record.verdicts?.clipped ?? 0)), count(record.verdicts?.rejected ?? NaN),
  ]);
  return [`${plural(rounds.length, "round")}, newest first`, columns, rows];
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;
}
