import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** @typedef {{code: number, out: string, words: string}} Ran  words: its standard error */

/**
 * Runs a program to its end and keeps what it said. Rejects when it could not be run, or the signal
 * ended it.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{cwd: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal, input?: string,
 * shell?: boolean}} o input:
 * standard input, none unless given
 * @returns {Promise<Ran>}
 */
export async function run(program, args, { input, ...options }) {
  const child = spawn(program, args, options);
  child.stdin.end(input);
  const ended = once(child, "close");
  const [[code], out, words] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code: code ?? 1, out, words };
}
