import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";

/**
 * What commands that look after keys find: a key file for each service, and `ops.json` with its
 * database.
 */
export async function makeKeysPlace(dir: string, urls: Readonly<Record<string, string>>): Promise<void> {
  const dirs = { keys: path.join(dir, "keys"), backups: path.join(dir, "backups") };
  fs.mkdirSync(dirs.keys, { mode: 0o700 });
  for (const name of Object.keys(urls)) await generateKeyFile(path.join(dirs.keys, `${name}.json`), name);
  fs.writeFileSync(path.join(dir, "ops.json"), JSON.stringify({ postgres: { services: urls }, dirs }));
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs a tool to its end, with this environment and PATH alone. */
export function runTool(name: string, args: readonly string[], env: Record<string, string>): Promise<Ran> {
  const file = path.resolve(import.meta.dirname, "..", `${name}.ts`);
  const flags = ["--disable-warning=ExperimentalWarning", file, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, flags, { env: { PATH: process.env.PATH, ...env } }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}
