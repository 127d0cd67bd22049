import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ASSERTION_HEADER } from "@medvault/contracts";
import { createSubjectKey, openKeyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { EXIT } from "@medvault/service-kit";
import {
  actor,
  createProxy,
  createTestBroker,
  createTestDatabase,
  freePort,
  testAssertions,
} from "@medvault/testing";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";

/** Starts a fixture with these settings. */
function spawned(entry: string, env: Record<string, string>) {
  const path = fileURLToPath(new URL(`../test/${entry}`, import.meta.url));
  const child = spawn(process.execPath, [path], { env: { PATH: process.env.PATH, ...env } });
  let out = "";
  let words = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
  const exited = once(child, "close").then(([code]) => code as number | null);
  return { child, exited, out: () => out, words: () => words };
}

/** Runs the process of bad settings to its end. */
async function ended(env: Record<string, string>) {
  const { exited, out, words } = spawned("process.ts", env);
  return { code: await exited, out: out(), words: words() };
}

test("bad settings are named, all at once, with no value and no stack trace", async () => {
  const { code, out, words } = await ended({
    PORT: "70000",
    REDIS_URL: "http://secret@x",
    MEDVAULT_TEST_COUNT: "9",
  });
  expect(code).toBe(EXIT.badSettings);
  expect(words).toBe("");
  const { level, service, msg, faults } = JSON.parse(out) as { faults: { setting: string }[] } & Record<
    string,
    string
  >;
  expect({ level, service, msg }).toEqual({
    level: "fatal",
    service: "fixture",
    msg: "4 settings are not right; nothing was started",
  });
  const named = faults.map(({ setting }) => setting);
  expect(named.toSorted()).toEqual(["ADMIN_PORT", "MEDVAULT_TEST_COUNT", "PORT", "REDIS_URL"]);
  expect(out).not.toMatch(/secret|at /);
});

test("a start that fails for another reason says so in the log, and the process ends", async () => {
  const env = {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    REDIS_URL: "redis://127.0.0.1",
    MEDVAULT_TEST_COUNT: "1",
  };
  const { code, out } = await ended(env);
  expect(code).toBe(1);
  expect(JSON.parse(out.trim().split("\n").at(-1) ?? "")).toMatchObject({ msg: "the start failed" });
});

/** What a service as a process needs: its own database, broker and keys. */
async function givenParts() {
  const database = await createTestDatabase(["files"]);
  const broker = await createTestBroker();
  const folder = mkdtempSync(join(tmpdir(), "medvault-runtime-"));
  const keysFile = join(folder, "files.json");
  const jwksFile = join(folder, "jwks.json");
  await generateKeyFile(keysFile, "files");
  const assertions = await testAssertions();
  writeFileSync(jwksFile, JSON.stringify(assertions.jwks));
  onTestFinished(async () => {
    await broker.close();
    await database.drop();
    rmSync(folder, { recursive: true });
  });
  const env = {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    DATABASE_URL: database.url("files"),
    AMQP_URL: broker.url("files"),
    MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
  };
  return { database, folder, keysFile, assertions, env };
}

async function startedService() {
  const { keysFile, assertions, env } = await givenParts();
  const { child, exited, out } = spawned("service.ts", { ...env, MEDVAULT_KEYS_FILE: keysFile });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  await expect.poll(out).toContain('"msg":"listening"');
  const line =
    out()
      .split("\n")
      .find((each) => each.includes('"msg":"listening"')) ?? "{}";
  const { port, adminPort } = JSON.parse(line) as { port: number; adminPort: number };
  const headers = { [ASSERTION_HEADER]: await assertions.sign(actor("guest")) };
  return {
    child,
    exited,
    out,
    url: `http://127.0.0.1:${port}`,
    admin: `http://127.0.0.1:${adminPort}`,
    headers,
  };
}

test("a declared service runs: its jobs, its consumer once it is let, its checks; and drains in order at a signal", async () => {
  const service = await startedService();
  await expect.poll(service.out).toContain("job ran");
  const ready = async () =>
    ((await (await fetch(`${service.admin}/readyz`)).json()) as { checks: object }).checks;
  await expect.poll(ready).toEqual({ postgres: "ok", rabbitmq: "ok", parked_messages: "ok" });
  const metrics = await (await fetch(`${service.admin}/metrics`)).text();
  expect(metrics).toContain('job_runs_total{job="hello",outcome="done"} 1');

  const answer = await fetch(`${service.url}/v1/files/announce`, {
    method: "POST",
    headers: service.headers,
  });
  expect(await answer.json()).toEqual({ consuming: true });
  await expect.poll(service.out).toContain("handled 1");

  service.child.kill("SIGTERM");
  expect(await service.exited).toBe(0);
  expect(service.out()).toMatch(/own step[\s\S]*"msg":"stopped"/);
  expect(service.out()).not.toContain("did not stop cleanly");
});

test("a service whose database is away says so and is not ready, ends at a signal, and goes on once it is back", async () => {
  const { keysFile, env } = await givenParts();
  const proxy = await createProxy(env.DATABASE_URL);
  onTestFinished(() => proxy.close());
  proxy.cut();
  const adminPort = await freePort();
  const settings = {
    ...{ ...env, DATABASE_URL: proxy.url, MEDVAULT_KEYS_FILE: keysFile, ADMIN_PORT: String(adminPort) },
  };
  const asked = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`);
    return [answer.status, await answer.json()] as const;
  };
  const starting = [503, { status: "starting", checks: { postgres: "down" } }];

  const first = spawned("service.ts", settings);
  await expect.poll(first.out).toContain("the database does not answer: waiting for it");
  await expect.poll(() => asked("/readyz").catch(() => null)).toEqual(starting);
  expect(await asked("/healthz")).toEqual([200, { status: "ok" }]);
  first.child.kill("SIGTERM");
  expect(await first.exited).toBe(EXIT.done);
  expect(first.out()).toContain("stopped while starting");

  const second = spawned("service.ts", settings);
  onTestFinished(async () => {
    second.child.kill("SIGKILL");
    await second.exited;
  });
  await expect.poll(second.out).toContain("waiting for it");
  await expect.poll(() => asked("/readyz").catch(() => second.out())).toEqual(starting);
  proxy.restore();
  await expect.poll(() => asked("/readyz").catch(() => null)).toMatchObject([200, {}]);
  expect(second.out()).toContain("the database answers: going on");
});

test("what no wait would help ends a start, and its exit code tells it from what a later start may help", async () => {
  const { database, keysFile, env } = await givenParts();
  const service = { ...env, MEDVAULT_KEYS_FILE: keysFile };
  const url = new URL(env.DATABASE_URL);
  url.password = "hunter2";
  const refused = spawned("service.ts", { ...service, DATABASE_URL: url.href });
  expect(await refused.exited).toBe(EXIT.badSettings);
  expect(refused.out()).toMatch(/"setting":"DATABASE_URL","fault":"is refused by PostgreSQL \(28P01\)/);
  expect(refused.out()).not.toContain("hunter2");

  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  try {
    await owner.query("delete from files_sys.schema_migrations");
  } finally {
    await owner.end();
  }
  const early = spawned("service.ts", service);
  expect(await early.exited).toBe(EXIT.tryAgain);
  expect(early.out()).toContain("run `npm run migrate` first");
});

test("threat: a service whose key file is lost, or has other keys, does not start, and its last line says what to do", async () => {
  const { database, folder, keysFile, env } = await givenParts();
  const keyring = await openKeyring(database.pool("files"), { service: "files", keysFile });
  await createSubjectKey(database.pool("files"), keyring, randomUUID());
  const other = join(folder, "other.json");
  await generateKeyFile(other, "files");
  for (const [settings, words] of [
    [{ MEDVAULT_KEYS_FILE: join(folder, "lost.json") }, /^There is no key file at .*lost.json/],
    [
      { MEDVAULT_KEYS_FILE: other },
      /files from .*other.json are not those of its tables: version 1 is another/,
    ],
    [{ MEDVAULT_KEYS: readFileSync(other, "utf8") }, /files from MEDVAULT_KEYS are not those of its tables/],
  ] as const) {
    const { exited, out } = spawned("service.ts", { ...env, ...settings });
    expect(await exited).toBe(EXIT.badSettings);
    const last = out().trim().split("\n").at(-1) ?? "";
    const { msg, faults = [] } = JSON.parse(last) as { msg: string; faults?: { fault: string }[] };
    const said = faults[0]?.fault ?? msg; // what only the database can tell comes after the settings
    expect(said).toMatch(words);
    expect(said).toContain("npm run keys -- recover <share files>");
  }
  expect(existsSync(join(folder, "lost.json"))).toBe(false);
});
