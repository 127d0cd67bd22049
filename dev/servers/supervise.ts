// One program kept running: started, watched, started again with backoff when it dies, and stopped
// for good.
import { type ChildProcess, type Serializable, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { LineWriter } from "@medvault/service-kit/line-writer";
import {
  endWithin,
  family,
  identify,
  isAlive,
  listensOn,
  type ProcessId,
  signal,
} from "../lib/processes.mjs";
import { Trouble } from "../lib/words.mjs";

/** How to run one program. */
export interface Program {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  log: string;
  /** It dies of a log that cannot be written: its lines go through us, who drop them instead. */
  isLogPiped?: boolean;
  user?: { uid?: number; gid?: number };
  onMessage?: (message: Serializable) => void;
  /** Puts right what an unclean end left behind; runs before every start. */
  prepare?: () => void;
  /** Where it listens: nothing is asked there before the listener is seen to be its own. */
  port?: number;
  /** Whether it does its work; asked every 50 ms until it does. */
  isReady: () => Promise<boolean>;
  stopSignal: NodeJS.Signals;
  /** The process that takes the stop signal, when it is not the one spawned. */
  stopTarget?: (pid: number) => ProcessId | null;
  stopGraceMs: number;
  /** Started again and not ready after this long, it will never be: it is ended and started once more. */
  stuckAfterMs?: number;
}

export interface Watcher {
  /** One line worth a person's eye. */
  say: (line: string) => void;
  /** The set of running processes changed. */
  onChange: () => void;
}

const READY_TIMEOUT_MS = 60_000;
const BACKOFF_MS = [200, 500, 1_000, 2_000, 5_000];
/** After this long without dying, the next death is the first again. */
const STEADY_MS = 30_000;
const MAX_LOG_BYTES = 20 * 1024 * 1024;

export class Supervised {
  readonly program: Program;
  readonly #watcher: Watcher;
  #child: ChildProcess | null = null;
  #id: ProcessId | null = null;
  #startedAt = 0;
  #deaths = 0;
  #logFrom = 0;
  #stopping = false;
  /**
   * Deaths are mended only after the first success: a program that cannot start at all is reported
   * instead.
   */
  #mends = false;

  constructor(program: Program, watcher: Watcher) {
    this.program = program;
    this.#watcher = watcher;
  }

  get id(): ProcessId | null {
    return this.#id;
  }

  /**
   * Starts it and waits until it is ready; from then on it is kept running.
   * @throws Trouble naming the log when it ends at once or is not ready in time
   */
  async start(): Promise<void> {
    await this.#untilReady(this.#spawn());
    this.#mends = true;
    if (!isAlive(this.#id)) this.#mend("ended");
  }

  /** Stops it: its signal, its grace, then SIGKILL for it and what is left of its family. */
  async stop(graceMs = this.program.stopGraceMs): Promise<void> {
    this.#stopping = true;
    const id = this.#id;
    if (!id) return;
    const members = family(id);
    const reaped = this.#child ? once(this.#child, "exit") : null;
    const target = this.program.stopTarget?.(id.pid) ?? id;
    signal(target, this.program.stopSignal);
    if (!(await endWithin(members, graceMs)))
      this.#watcher.say(`${this.program.name} did not stop within ${graceMs / 1000} s and was killed`);
    // Not before the kernel gave it back: what ends after us would stay a zombie under a careless
    // init.
    await reaped;
    this.#id = null;
  }

  #spawn(): ChildProcess {
    const { program } = this;
    this.#startedAt = Date.now();
    program.prepare?.();
    const log = openLog(program.log);
    this.#logFrom = fs.statSync(program.log, { throwIfNoEntry: false })?.size ?? 0;
    const ipc = program.onMessage ? (["ipc"] as const) : [];
    const child = spawn(program.command, program.args, {
      cwd: program.cwd,
      env: program.env,
      // Its own session: a Ctrl-C in the terminal reaches us alone, and we stop it in order.
      detached: true,
      stdio: ["ignore", ...(program.isLogPiped ? (["pipe", "pipe"] as const) : [log, log]), ...ipc],
      ...program.user,
    });
    if (program.isLogPiped) pipeLog(child, log);
    else if (log !== "ignore") fs.closeSync(log);
    this.#child = child;
    this.#id = child.pid ? identify(child.pid) : null;
    if (program.onMessage) child.on("message", program.onMessage);
    child.on("error", () => this.#onEnd(child, "could not be run"));
    child.on("exit", (code, by) =>
      this.#onEnd(child, by ? `was ended by ${by}` : `ended with code ${code}${this.#why(code)}`),
    );
    this.#watcher.onChange();
    return child;
  }

  #why(code: number | null): string {
    return code === 0 ? "" : ` (${lastWords(this.program.log, this.#logFrom)})`;
  }

  #onEnd(child: ChildProcess, how: string): void {
    if (child !== this.#child) return;
    this.#child = null;
    if (this.#mends) this.#mend(how);
  }

  #mend(how: string): void {
    if (this.#stopping) return;
    if (Date.now() - this.#startedAt > STEADY_MS) this.#deaths = 0;
    const waitMs = BACKOFF_MS[Math.min(this.#deaths, BACKOFF_MS.length - 1)] ?? 0;
    this.#deaths += 1;
    this.#watcher.say(`${this.program.name} ${how}: starting it again in ${waitMs / 1000} s`);
    void this.#startAgain(waitMs);
  }

  async #startAgain(waitMs: number): Promise<void> {
    const dead = this.#id;
    await sleep(waitMs);
    if (dead) await endWithin(family(dead), 0); // its children may hold its port or its files
    if (this.#stopping) return;
    let child: ChildProcess;
    try {
      child = this.#spawn();
    } catch (error) {
      // A full disk takes none of the files that it needs. That passes.
      return this.#mend(`could not be started (${(error as Error).message})`);
    }
    try {
      await this.#untilReady(child, this.program.stuckAfterMs);
      if (!this.#stopping) this.#watcher.say(`${this.program.name} is back (process ${this.#id?.pid})`);
    } catch (error) {
      if (this.#child !== child || this.#stopping) return;
      // Alive but not ready: its own health says more.
      this.#watcher.say((error as Error).message);
      // Its end is noticed, and it is started again.
      if (this.program.stuckAfterMs && this.#id) await endWithin(family(this.#id), 0);
    }
  }

  async #untilReady(child: ChildProcess, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    const { name, log } = this.program;
    const end = Date.now() + timeoutMs;
    while (!(await this.#isReady())) {
      if (this.#stopping) throw new Trouble(`${name} was stopped before it was ready.`);
      if (this.#child !== child)
        throw new Trouble(`${name} ended while starting (${lastWords(log, this.#logFrom)}): see ${log}.`);
      if (Date.now() > end)
        throw new Trouble(`${name} is not ready after ${timeoutMs / 1000} s: see ${log}.`);
      await sleep(50);
    }
  }

  /** A stranger on its port may look as ready as it does, and is told no password. */
  async #isReady(): Promise<boolean> {
    const { port, isReady } = this.program;
    if (port !== undefined && !(this.#id && listensOn(this.#id, port))) return false;
    return isReady();
  }
}

/** Takes what a program says, line by line, to the end of both its streams. */
function pipeLog(child: ChildProcess, log: number | "ignore"): void {
  const note = (count: number) => `${count} lines were dropped: they could not be written\n`;
  const writer = log === "ignore" ? null : new LineWriter(log, note);
  for (const input of [child.stdout, child.stderr]) {
    if (input) createInterface({ input }).on("line", (line) => writer?.write(`${line}\n`));
  }
  child.once("close", () => writer?.close());
}

/** A log that cannot be had, as on a full disk, keeps no program from running. */
function openLog(file: string): number | "ignore" {
  try {
    const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size > MAX_LOG_BYTES) fs.renameSync(file, `${file}.1`);
    return fs.openSync(file, "a", 0o600);
  } catch {
    return "ignore";
  }
}

/** A line of the log's, or the head of what was thrown: `PolicyInvalid: …`. */
const TELLING = /\b(?:[eE]rror|ERROR|[fF]atal|FATAL)\b|Error:|^[A-Z][A-Za-z]+: /;

/**
 * What a program said last about why it ended, after byte `from` of its log, cut to fit one
 * sentence.
 */
export function lastWords(log: string, from: number): string {
  const lines = endOf(log, from)
    .trim()
    .split("\n")
    .filter((line) => line.trim() && !/^(Node\.js v|\s+at |Emitted 'error')/.test(line));
  const telling = lines.findLast((line) => TELLING.test(line)) ?? lines.at(-1);
  const words = (telling ? messageOf(telling) : "it said nothing").slice(0, 1_000);
  return words.replace(/listen EADDRINUSE: .*:(\d+)$/, "port $1 is taken by another program");
}

function endOf(log: string, from: number): string {
  try {
    const all = fs.readFileSync(log);
    return all.subarray(Math.max(from, all.length - 8_192)).toString("utf8");
  } catch {
    return ""; // there is none, or its disk fails: no reason to end with it
  }
}

interface LogLine {
  msg?: unknown;
  err?: { message?: unknown };
  faults?: { setting: string; fault: string }[];
}

/** Services log JSON lines; a person wants the sentence in them. */
function messageOf(line: string): string {
  try {
    const { msg, err, faults } = JSON.parse(line) as LogLine;
    if (typeof msg !== "string") return line;
    if (faults) return `${msg}: ${faults.map(({ setting, fault }) => `${setting} ${fault}`).join("; ")}`;
    return typeof err?.message === "string" ? `${msg}: ${err.message}` : msg;
  } catch {
    return line.trim();
  }
}
