import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished, vi } from "vitest";
import { dataDir, root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/** A data directory of the test's own, gone after it. */
export function givenDataDir(): string {
  const data = dataDir(fs.mkdtempSync(path.join(os.tmpdir(), "medvault-dev-")));
  onTestFinished(() => fs.rmSync(data, { recursive: true, force: true }));
  return data;
}

/** Shell scripts that come first in PATH for this test. */
export function givenPrograms(data: string, programs: Readonly<Record<string, string>>): void {
  const bin = path.join(data, "bin");
  fs.mkdirSync(bin);
  for (const [name, text] of Object.entries(programs))
    fs.writeFileSync(path.join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
}

/** Runs one of the project's commands to its end. */
export async function runCommand(script: string, args: string[], env: Record<string, string>) {
  const file = path.join(root, "dev", script);
  const ran = await run(process.execPath, [file, ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
  });
  return { code: ran.code, said: ran.out + ran.words };
}
