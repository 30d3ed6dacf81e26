// Verdicts as a heat map, a row an agent and a column a round. One pixel a cell is kept off screen and
// scaled up, so a thousand agents over two hundred rounds cost one small copy a frame.

import { colour } from "./charts.js";
import { LETTERS, LETTER_NAMES, plural } from "./words.js";

const TALLEST = 520;
const ROW = 14;

export class HeatMap {
  constructor(canvas, { read, pick }) {
    Object.assign(this, { canvas, read, pick, agents: [], hosts: [], rounds: [], order: [], place: null, by: "id", painted: "" });
    this.sheet = document.createElement("canvas");
    this.shrunk = document.createElement("canvas");
    canvas.addEventListener("pointermove", (event) => this.go(this.at(event)));
    canvas.addEventListener("pointerleave", () => document.activeElement === canvas || this.go(null));
    canvas.addEventListener("click", (event) => this.choose(this.at(event)));
    canvas.addEventListener("focus", () => this.place ?? (this.rounds.length && this.go({ row: 0, column: this.rounds.length - 1 })));
    canvas.addEventListener("blur", () => this.go(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.painted = ""));
  }

  key(event) {
    if (!this.rounds.length) return;
    const { row, column } = this.place ?? { row: 0, column: this.rounds.length - 1 };
    const [lastRow, lastColumn] = [this.order.length - 1, this.rounds.length - 1];
    const to = {
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      PageUp: [row - 10, column], PageDown: [row + 10, column], Home: [row, 0], End: [row, lastColumn],
    }[event.key];
    if (event.key === "Enter" || event.key === " ") this.choose({ row, column });
    else if (to) this.go({ row: Math.min(Math.max(to[0], 0), lastRow), column: Math.min(Math.max(to[1], 0), lastColumn) });
    else return;
    event.preventDefault();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    if (!this.rounds.length || !this.order.length || !box.width) return null;
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.rounds.length);
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.order.length);
    return { row: Math.min(Math.max(row, 0), this.order.length - 1), column: Math.min(Math.max(column, 0), this.rounds.length - 1) };
  }

  go(place) {
    this.place = place;
    this.frame();
    this.read(place && this.cell(place));
  }

  choose(place) {
    if (place) this.pick(this.cell(place).agent);
  }

  cell({ row, column }) {
    const [index, record] = [this.order[row], this.rounds[column]];
    return { agent: this.agents[index], host: this.hosts[index], round: record.round, letter: record.column?.[index] ?? "." };
  }

  /** Takes what there is to show, and draws it. */
  draw(agents, hosts, rounds) {
    const held = this.place && this.rounds[this.place.column]?.round;
    this.agents = agents;
    this.hosts = hosts;
    this.rounds = rounds;
    // The cursor stays on its round while columns move to the left.
    if (held !== null && this.place) {
      const column = rounds.findIndex((record) => record.round === held);
      this.place = column < 0 ? null : { ...this.place, column };
    }
    const key = `${agents.length}/${rounds[0]?.round}/${rounds.at(-1)?.round}/${rounds.length}/${this.by}/${matchMedia("(prefers-color-scheme: dark)").matches}`;
    if (key !== this.painted) this.paint();
    this.painted = key;
    this.frame();
  }

  sortBy(by) {
    this.by = by;
    this.place = null;
    this.draw(this.agents, this.hosts, this.rounds);
  }

  flagged() {
    const counts = new Int32Array(this.agents.length);
    for (const { column } of this.rounds) for (let row = 0; row < (column?.length ?? 0); row++) if (column[row] !== "a" && column[row] !== ".") counts[row]++;
    return counts;
  }

  paint() {
    const { agents, rounds, sheet } = this;
    const counts = this.by === "flagged" ? this.flagged() : null;
    this.order = agents.map((_, index) => index);
    if (counts) this.order.sort((a, b) => counts[b] - counts[a] || a - b);
    if (!agents.length || !rounds.length) return;
    sheet.width = rounds.length;
    sheet.height = agents.length;
    const paints = new Map([...LETTERS.map((letter) => [letter, rgb(colour(`cell-${letter}`))]), [".", rgb(colour("cell-none"))]]);
    const pen = sheet.getContext("2d");
    const image = pen.createImageData(rounds.length, agents.length);
    const pixels = new Uint32Array(image.data.buffer);
    rounds.forEach(({ column }, x) => {
      for (let y = 0; y < agents.length; y++) pixels[y * rounds.length + x] = paints.get(column?.[this.order[y]] ?? ".") ?? paints.get(".");
    });
    pen.putImageData(image, 0, 0);
    this.shrunk.height = 0;
  }

  frame() {
    const { canvas, rounds, order, place } = this;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const width = canvas.clientWidth;
    if (!width) return;
    const height = order.length && rounds.length ? Math.max(Math.min(order.length * ROW, TALLEST), 40) : 120;
    if (canvas.style.height !== `${height}px`) canvas.style.height = `${height}px`;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!order.length || !rounds.length) {
      pen.fillStyle = colour("soft");
      pen.font = "12px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillText("no verdict yet", width / 2, height / 2);
      return;
    }
    pen.imageSmoothingEnabled = false;
    pen.drawImage(order.length > canvas.height ? this.squeezed(canvas.height) : this.sheet, 0, 0, width, height);
    const [w, h] = [width / rounds.length, height / order.length];
    if (h >= 8 && w >= 5) {
      pen.fillStyle = colour("surface");
      for (let row = 1; row < order.length; row++) pen.fillRect(0, row * h - 0.5, width, 1);
      for (let column = 1; column < rounds.length; column++) pen.fillRect(column * w - 0.5, 0, 1, height);
    }
    if (!place) return;
    pen.fillStyle = colour("ink");
    pen.globalAlpha = 0.16;
    pen.fillRect(place.column * w, 0, Math.max(w, 1), height);
    pen.fillRect(0, place.row * h, width, Math.max(h, 1));
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 2;
    const [bw, bh] = [Math.max(w, 7), Math.max(h, 7)];
    pen.strokeRect((place.column + 0.5) * w - bw / 2, (place.row + 0.5) * h - bh / 2, bw, bh);
  }

  /** The sheet with as many rows as there are pixels, each the mean of its agents; rounds keep their edges. */
  squeezed(height) {
    const { sheet, shrunk } = this;
    if (shrunk.height !== height) {
      shrunk.width = sheet.width;
      shrunk.height = height;
      const pen = shrunk.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(sheet, 0, 0, sheet.width, height);
    }
    return shrunk;
  }

  shape() {
    return this.rounds.length ? `${plural(this.agents.length, "agent")} by ${plural(this.rounds.length, "round")}` : "No round yet";
  }
}

/** Counts of each verdict by agent, most rejected first, for the table beside the map. */
export function heatTable(map) {
  const tally = map.agents.map((agent, row) => {
    const counts = { a: 0, c: 0, r: 0, g: 0, q: 0, ".": 0 };
    for (const { column } of map.rounds) counts[column?.[row] ?? "."]++;
    return { agent, counts, out: counts.r + counts.g + counts.q, last: map.rounds.at(-1)?.column?.[row] ?? "." };
  });
  tally.sort((a, b) => b.out - a.out || (a.agent < b.agent ? -1 : 1));
  const letters = [...LETTERS, "."];
  const rows = tally.slice(0, 200).map(({ agent, counts, last }) => [agent, LETTER_NAMES[last], ...letters.map((letter) => String(counts[letter]))]);
  const shown = rows.length < tally.length ? `the ${rows.length} agents most rejected, of ${tally.length}` : plural(rows.length, "agent");
  return [`${shown}, over ${plural(map.rounds.length, "round")}`, ["Agent", "Last", ...letters.map((letter) => LETTER_NAMES[letter])], rows];
}

function rgb(text) {
  const hex = text.replace("#", "");
  const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
  const value = parseInt(full, 16);
  // Little-endian RGBA, as every machine that runs a browser has it.
  return (255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16);
}
