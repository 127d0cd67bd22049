// One-shot children: made with the settings they need, watched to their end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root, sharedPath } from "../lib/paths.mjs";
import { Trouble } from "../lib/words.mjs";
import { lastWords } from "../servers/supervise.ts";

export interface Job {
  /** What it does, for the sentence when it fails. */
  title: string;
  entry: string;
  args?: string[];
  env?: Record<string, string>;
  /** Takes what it writes to standard error. */
  log: string;
  signal: AbortSignal;
}

/**
 * Runs a TypeScript entry to its end.
 * @returns what it wrote to standard output
 * @throws Trouble with its last words
 */
export async function runJob(job: Job): Promise<string> {
  const log = fs.openSync(job.log, "a", 0o600);
  const from = fs.fstatSync(log).size;
  const child = spawn(process.execPath, [...NODE_FLAGS, job.entry, ...(job.args ?? [])], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? "",
      LANG: "C.UTF-8",
      TZ: "UTC",
      NODE_COMPILE_CACHE: sharedPath("compile-cache"),
      ...job.env,
    },
    detached: true, // a Ctrl-C reaches us alone; we end it through the signal
    stdio: ["ignore", "pipe", log],
    signal: job.signal,
  });
  fs.closeSync(log);
  const ended = once(child, "close") as Promise<[number | null]>;
  const [[code], out] = await Promise.all([ended, text(child.stdout as Readable)]);
  if (code === 0) return out;
  throw new Trouble(`${job.title} failed (${lastWords(job.log, from)}): see ${job.log}.`);
}
