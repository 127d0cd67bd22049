// One-shot children: made with the settings they need, watched to their end.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import { Trouble } from "../lib/words.mjs";
import { lastWords } from "../servers/supervise.ts";

export interface Job {
  /** What it does, for the sentence when it fails. */
  title: string;
  entry: string;
  args?: string[];
  env: Record<string, string>;
  /** Takes what it writes to standard error. */
  log: string;
  signal?: AbortSignal;
  onLine?: (line: string) => void;
}

/**
 * Runs a TypeScript entry to its end.
 * @returns what it wrote to standard output
 * @throws Trouble with its last words
 */
export function runJob(job: Job): Promise<string> {
  const log = fs.openSync(job.log, "a", 0o600);
  const from = fs.fstatSync(log).size;
  const child = spawn(process.execPath, [...NODE_FLAGS, job.entry, ...(job.args ?? [])], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", LANG: "C.UTF-8", TZ: "UTC", ...job.env },
    detached: true, // a Ctrl-C reaches us alone; we end it through the signal
    stdio: ["ignore", "pipe", log],
    ...(job.signal ? { signal: job.signal } : {}),
  });
  fs.closeSync(log);
  let out = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (job.onLine) for (const line of text.trimEnd().split("\n")) job.onLine(line);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(out);
      else reject(new Trouble(`${job.title} failed (${lastWords(job.log, from)}): see ${job.log}.`));
    });
  });
}
