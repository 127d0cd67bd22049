import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { family, isAlive } from "../lib/processes.mjs";
import { givenDataDir } from "../test/harness.ts";
import type { GivenUrls } from "./infrastructure.ts";
import { claimPorts } from "./ports.ts";
import { answers } from "./probe.ts";
import { loadSecrets } from "./secrets.ts";
import { testServers } from "./test-servers.ts";

const GIVEN = { DATABASE_URL: "postgres://a:b@127.0.0.1:1/c", AMQP_URL: "amqp://a:b@127.0.0.1:1/c" };

async function givenServers(data: string, given: GivenUrls, said: string[] = []) {
  const { ports, release } = await claimPorts(data, undefined);
  onTestFinished(release);
  const secrets = loadSecrets(data);
  const watcher = { say: (line: string) => said.push(line), onChange: () => {} };
  const servers = await testServers({ data, ports, secrets, given, watcher });
  onTestFinished(() => servers.stop());
  const ping = () =>
    answers(ports.redis, `AUTH ${secrets.redis}\r\nPING\r\n`, (bytes) => bytes.includes("+PONG"));
  return { servers, ping };
}

test("only what was not given is started; Redis killed comes back, and a stop leaves no process", async () => {
  const said: string[] = [];
  const { servers, ping } = await givenServers(givenDataDir(), GIVEN, said);
  expect(servers.running.map(({ program }) => program.name)).toEqual(["redis"]);
  expect(servers).toMatchObject({ databaseUrl: GIVEN.DATABASE_URL, amqpUrl: GIVEN.AMQP_URL });
  await servers.start();
  const id = servers.running[0]?.id ?? { pid: 0, start: "" };
  process.kill(id.pid, "SIGKILL");
  await vi.waitFor(async () => expect(said.at(-1)).toMatch(/^redis is back/), { timeout: 20_000 });
  expect(await ping()).toBe(true);
  const now = servers.running[0]?.id ?? { pid: 0, start: "" };
  await servers.stop();
  expect([id, now].flatMap(family)).toEqual([]);
  expect(isAlive(now)).toBe(false);
});

test("a malformed URL is refused before anything is started", async () => {
  await expect(givenServers(givenDataDir(), { ...GIVEN, REDIS_URL: "localhost:6379" })).rejects.toThrow(
    /^REDIS_URL is not a URL/,
  );
});

test("passwords are made once, for the owner's eyes alone", async () => {
  const data = givenDataDir();
  const secrets = loadSecrets(data);
  expect(loadSecrets(data)).toEqual(secrets);
  expect(statSync(path.join(data, "secrets.json")).mode & 0o777).toBe(0o600);
  expect(new Set(Object.values(secrets.roles)).size).toBe(6);
});

test("damaged passwords of a database that is there are said to be, and not replaced", () => {
  const data = givenDataDir();
  const file = path.join(data, "secrets.json");
  writeFileSync(file, "");
  expect(loadSecrets(data).postgres).toHaveLength(36); // nothing was made with the old ones
  mkdirSync(path.join(data, "postgres"));
  for (const half of ["", '{"postgres":"12']) {
    writeFileSync(file, half);
    expect(() => loadSecrets(data)).toThrow(/secrets.json is damaged.*put back a copy of it/);
    expect(readFileSync(file, "utf8")).toBe(half);
  }
});

test("two MedVaults at once get ports apart, and the same ones again the next time", async () => {
  const [one, other] = [givenDataDir(), givenDataDir()];
  const first = await claimPorts(one, undefined);
  const second = await claimPorts(other, undefined);
  expect(Math.abs(first.ports.base - second.ports.base)).toBeGreaterThanOrEqual(40);
  first.release();
  second.release();
  const again = await claimPorts(one, undefined);
  again.release();
  expect(again.ports.base).toBe(first.ports.base);
});
