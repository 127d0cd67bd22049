import { spawn } from "node:child_process";

export interface Ran {
  code: number;
  out: string;
  /** Standard error. */
  words: string;
}

/** Runs a program to its end and keeps what it said. */
export function run(
  program: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const ran: Ran = { code: 1, out: "", words: "" };
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
