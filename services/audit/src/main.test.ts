import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { freePort, testAssertions } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../test/harness.ts";
import { events, eventually } from "../test/log-harness.ts";

let audit: TestAudit;
let folder: string;
let running: ChildProcess | null = null;
let environment: Record<string, string>;
let adminPort: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvault-audit-main-"));
  const keysFile = join(folder, "audit.json");
  await generateKeyFile(keysFile, "audit");
  // The harness makes the keys of this log with the key file that the process reads, and stops.
  audit = await startAudit({ keyring: await createKeyring({ service: "audit", keysFile }) });
  await audit.writer.stop();
  const jwksFile = join(folder, "gateway.jwks.json");
  await writeFile(jwksFile, JSON.stringify((await testAssertions()).jwks));
  adminPort = await freePort();
  environment = {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: String(adminPort),
    DATABASE_URL: audit.database.url("audit"),
    AMQP_URL: audit.rabbit.url("audit"),
    MEDVAULT_KEYS_FILE: keysFile,
    MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
    MEDVAULT_AUDIT_DIR: audit.dir,
    MEDVAULT_AUTH_URL: "http://127.0.0.1:1",
    MEDVAULT_RECORDS_URL: "http://127.0.0.1:1",
    MEDVAULT_AUDIT_ORIGIN: audit.signer.origin,
    MEDVAULT_AUDIT_CHECKPOINT_MS: "50",
    MEDVAULT_AUDIT_LEASE_MS: "500",
    LOG_LEVEL: "warn",
  };
}, 30_000);
afterAll(async () => {
  running?.kill("SIGKILL");
  await audit.end();
  await rm(folder, { recursive: true });
});

async function start(): Promise<ChildProcess> {
  const main = new URL("main.ts", import.meta.url).pathname;
  running = spawn(process.execPath, [main], { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
    expect(await answer.json()).toMatchObject({ status: "ok" });
  });
  return running;
}

async function end(process: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const exit = once(process, "exit");
  process.kill(signal);
  const [code] = await exit;
  return code;
}

test("killed with -9 in the middle of its work, again and again, the log loses nothing and doubles nothing", async () => {
  const [rounds, perRound] = [4, 500];
  for (let round = 0; round < rounds; round += 1) {
    const service = await start();
    const all = events(perRound, round * perRound + 1);
    for (let at = 0; at < perRound; at += 50) await audit.send(...all.slice(at, at + 50));
    await end(service, "SIGKILL");
  }
  const service = await start();
  await audit.logged(rounds * perRound);
  await audit.published(rounds * perRound);
  expect(await audit.verify()).toEqual({
    size: rounds * perRound,
    checkpointSize: rounds * perRound,
    ok: true,
  });
  expect((await audit.superuser.query("select duplicates::int, received::text from sequences")).rows).toEqual(
    [{ duplicates: 0, received: `{[1,${rounds * perRound + 1})}` }],
  );
  expect(await end(service, "SIGTERM")).toBe(0);
}, 90_000);
