import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

export interface Ran {
  code: number;
  out: string;
  /** Standard error. */
  words: string;
}

export interface RunOptions {
  cwd: string;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** Standard input; none unless given. */
  input?: string;
}

/**
 * Runs a program to its end and keeps what it said. Rejects when it could not be run, or the signal
 * ended it.
 */
export async function run(program: string, args: readonly string[], o: RunOptions): Promise<Ran> {
  const { input, ...options } = o;
  const child = spawn(program, args, options);
  child.stdin.end(input);
  const ended = once(child, "close") as Promise<[number | null]>;
  const [[code], out, words] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code: code ?? 1, out, words };
}
