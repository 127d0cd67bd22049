import { spawn } from "node:child_process";

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
export function run(program: string, args: readonly string[], o: RunOptions): Promise<Ran> {
  const { input, ...options } = o;
  const child = spawn(program, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  const ran: Ran = { code: 1, out: "", words: "" };
  child.stdin.end(input);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ran.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ran.words += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ran, code: code ?? 1 }));
  });
}
