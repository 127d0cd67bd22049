import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { dataDir, root } from "../lib/paths.mjs";

/** A data directory of the test's own, gone after it. */
export function givenDataDir(): string {
  const data = dataDir(fs.mkdtempSync(path.join(os.tmpdir(), "medvault-dev-")));
  onTestFinished(() => fs.rmSync(data, { recursive: true, force: true }));
  return data;
}

/** Runs one of the project's commands to its end. */
export function runCommand(script: string, args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [path.join(root, "dev", script), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  return new Promise<{ code: number | null; said: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, said }));
  });
}
