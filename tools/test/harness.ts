import { execFile } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { createKeyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import type { ServiceName } from "@medvault/postgres";
import type { TestDatabase } from "@medvault/testing";
import { onTestFinished } from "vitest";

/**
 * What commands that look after keys find, in a folder of its own: a key file for each service, and
 * `ops.json` with its database.
 */
export async function makeKeysPlace(database: TestDatabase, services: readonly ServiceName[]) {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-keys-"));
  const dirs = { keys: path.join(dir, "keys"), backups: path.join(dir, "backups") };
  fs.mkdirSync(dirs.keys, { mode: 0o700 });
  const fileOf = (service: string) => path.join(dirs.keys, `${service}.json`);
  for (const name of services) await generateKeyFile(fileOf(name), name);
  const urls = Object.fromEntries(services.map((name) => [name, database.url(name)]));
  await writeFile(path.join(dir, "ops.json"), JSON.stringify({ postgres: { services: urls }, dirs }));
  /** Settings of all calls that follow. */
  const env: Record<string, string> = { MEDVAULT_DATA: dir };
  const keys = (...args: string[]) => runTool("keys", args, env);
  return {
    ...{ dir, env, keys, fileOf },
    keyringOf: (service: string) => createKeyring({ service, keysFile: fileOf(service) }),
    async keysJson(...args: string[]) {
      const { code, out, err } = await keys(...args, "--json");
      return { code, err, answer: JSON.parse(out || "{}") as Record<string, unknown> };
    },
    remove: () => rm(dir, { recursive: true }),
  };
}
export type KeysPlace = Awaited<ReturnType<typeof makeKeysPlace>>;

/** A Vault for this test with one transit key, and how `keys to-vault` is told of it. */
export async function givenVault(dir: string) {
  const token = "hvs.test";
  const file = new URL("../../libs/keys/test/transit-server.ts", import.meta.url);
  const server = new Worker(file, { workerData: { token } });
  onTestFinished(async () => void (await server.terminate()));
  const [{ url }] = (await once(server, "message")) as [{ url: string }];
  await fetch(`${url}/v1/transit/keys/mv`, { method: "POST", headers: { "x-vault-token": token } });
  const tokenFile = path.join(dir, "token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  return { server, tokenFile, args: ["--url", url, "--token-file", tokenFile, "--key-name", "mv"] };
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
