// The journey of e2e, sent to the Service of the gateway through the entry.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../dev/lib/paths.mjs";
import { Trouble } from "../../dev/lib/words.mjs";
import type { Ops } from "../../e2e/support/system.ts";
import { cronTemplates } from "./cluster.ts";
import type { World } from "./world.ts";

/** As e2e finds a MedVault: the page that npm start writes. `admin`: what the job printed. */
export function writeOps(world: World, gateway: string, admin: string): string {
  const line = admin.split("\n").find((one) => one.includes("totpSecret"));
  if (!line) throw new Trouble("the job printed no credentials of an admin.");
  const { volumes, work, network } = world;
  const superuser = new URL(
    String(volumes.get("Secret", "medvault-setup").MEDVAULT_SUPERUSER_DATABASE_URL).trim(),
  );
  superuser.hostname = network.addresses.get("postgres") ?? "";
  superuser.searchParams.set("sslmode", "no-verify"); // as an attacker comes in, who asks for no proof
  const ops = {
    ...{ gateway, processes: [], postgres: { superuser: superuser.href, services: {} } },
    dirs: {
      ...{ data: work, files: volumes.claim("files"), mail: world.mails, backups: volumes.claim("backups") },
      keys: path.join(volumes.claim("keys"), "keys"),
    },
    demo: { users: [{ role: "admin", ...(JSON.parse(line) as object) }] },
  };
  const file = path.join(work, "ops.json");
  fs.writeFileSync(file, JSON.stringify(ops), { mode: 0o600 });
  fs.symlinkSync(volumes.claim("audit"), path.join(work, "audit"));
  return file;
}

export const readOps = (file: string): Ops => JSON.parse(fs.readFileSync(file, "utf8")) as Ops;

/** Its tests one by one; meanwhile the CronJob that restores looks for something to do. */
export async function journey(world: World, opsFile: string): Promise<void> {
  const ended = new AbortController();
  const restores = restoring(world, ended.signal);
  try {
    await Promise.race([vitest(world, opsFile), restores]);
  } finally {
    ended.abort();
    await restores.catch(() => {});
  }
}

/** Once a minute by its manifest; here again as soon as it is done, since somebody waits for it. */
async function restoring(world: World, stop: AbortSignal): Promise<void> {
  const template = cronTemplates(world.manifests).get("restore");
  if (!template) throw new Error("no CronJob restores");
  while (!stop.aborted) {
    await world.node.runJob("restore", template);
    await sleep(2_000);
  }
}

async function vitest({ work }: World, opsFile: string): Promise<void> {
  const args = ["node_modules/vitest/vitest.mjs", "run", "--silent=passed-only", "e2e/journey"];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PATH: `${path.join(root, "node_modules/.bin")}:${process.env.PATH}`,
      MEDVAULT_E2E_OPS: opsFile,
      MEDVAULT_DATA: work,
      NODE_EXTRA_CA_CERTS: path.join(work, "ca.pem"),
      MEDVAULT_TEST_JSON: "",
    },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Trouble("the journey through the Service failed.");
}
