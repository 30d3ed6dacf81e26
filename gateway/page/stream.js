// How the page hears from the gateway: one snapshot, then server-sent events, read by fetch so that a
// token can be sent along. A stream that breaks is taken up where it ended.

const QUIET_MS = 20000;
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

export class Locked extends Error {}

/** Answers of the gateway as JSON; `Locked` where it asks for a token. */
export async function ask(path, { signal } = {}) {
  const answer = await fetch(path, { headers: headers(), cache: "no-store", signal });
  if (answer.status === 401) throw new Locked();
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The gateway answered ${answer.status}.`);
}

export function keepToken(token) {
  sessionStorage.setItem("swarmlore-token", token);
}

function headers() {
  const token = sessionStorage.getItem("swarmlore-token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Follows the swarm for ever. `on` is told: `snapshot(document)`, `event(name, document)`, `link(state, detail, retryMs)`
 * with state "connecting", "live" or "lost", and `locked()`, after which `wake` goes on.
 */
export class Follower {
  constructor(on) {
    this.on = on;
    this.last = null;
    this.failures = 0;
    this.skip = null;
    addEventListener("online", () => this.wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.failures === 0 || this.wake());
  }

  /** Stops waiting, and tries now. */
  wake() {
    this.skip?.();
  }

  /** Reads everything again at the next chance: the rounds that are shown are of another run. */
  restart() {
    this.last = null;
    this.abort?.abort();
  }

  async run() {
    for (;;) {
      try {
        if (this.last === null) {
          this.on.link("connecting");
          const found = await ask("v1/snapshot", { signal: AbortSignal.timeout(QUIET_MS) });
          this.on.snapshot(found);
          this.last = found.rounds.at(-1)?.round ?? 0;
        }
        await this.listen();
        throw new Error("The gateway ended the stream.");
      } catch (error) {
        if (this.abort?.signal.aborted && this.last === null) continue;
        if (error instanceof Locked) {
          this.on.locked();
          await this.pause(2 ** 30);
          continue;
        }
        const wait = PAUSES_MS[Math.min(this.failures++, PAUSES_MS.length - 1)] * (0.8 + 0.4 * Math.random());
        this.on.link("lost", error.name === "TypeError" ? "The gateway cannot be reached." : error.message, wait);
        await this.pause(wait);
      }
    }
  }

  async listen() {
    this.abort = new AbortController();
    let timer = 0;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.abort.abort(new Error("Nothing was heard for 20 s.")), QUIET_MS);
    };
    watch();
    try {
      const sent = { ...headers(), Accept: "text/event-stream", "Last-Event-ID": String(this.last) };
      const answer = await fetch("v1/events", { headers: sent, cache: "no-store", signal: this.abort.signal });
      if (answer.status === 401) throw new Locked();
      if (!answer.ok || !answer.body) throw new Error(`The gateway answered ${answer.status}.`);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        watch();
        if (this.failures || !this.live) this.on.link("live");
        this.failures = 0;
        this.live = true;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) this.take(part);
      }
    } finally {
      this.live = false;
      clearTimeout(timer);
    }
  }

  take(part) {
    const fields = {};
    for (const line of part.split("\n")) {
      const at = line.indexOf(": ");
      if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
    }
    if (!fields.event || !fields.data) return;
    if (fields.id) this.last = Math.max(this.last, Number(fields.id));
    this.on.event(fields.event, JSON.parse(fields.data));
  }

  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, 2 ** 30));
      this.skip = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
