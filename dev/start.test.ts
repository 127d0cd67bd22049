import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { acquireLock, holder } from "./lib/lock.mjs";
import { givenDataDir, runCommand } from "./test/harness.ts";

async function takenPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as net.AddressInfo).port;
}

test("a second start in the same data directory is refused in one sentence", async () => {
  const data = givenDataDir();
  const release = await acquireLock(path.join(data, "lock"), { onHeld: () => new Error("held") });
  onTestFinished(release);
  const { code, said } = await runCommand("start.mjs", [], { MEDVAULT_DATA: data });
  expect(code).toBe(1);
  expect(said).toBe(
    `medvault: MedVault is already running here (process ${process.pid}): npm run status shows it, npm stop ends it.\n`,
  );
  expect(holder(path.join(data, "lock"))?.pid).toBe(process.pid);
});

test("a lock whose holder died is taken over", async () => {
  const file = path.join(givenDataDir(), "lock");
  // Our number, but another's start.
  fs.writeFileSync(file, JSON.stringify({ pid: process.pid, start: "1" }));
  const release = await acquireLock(file, { onHeld: () => new Error("held") });
  expect(holder(file)?.pid).toBe(process.pid);
  release();
  expect(fs.existsSync(file)).toBe(false);
});

test("a taken port is one sentence that names another, and nothing is made", async () => {
  const data = givenDataDir();
  const port = await takenPort();
  const { code, said } = await runCommand("start.mjs", [], {
    MEDVAULT_DATA: data,
    MEDVAULT_PORT: String(port),
  });
  expect(code).toBe(1);
  expect(said).toBe(
    `medvault: Port ${port} is taken by another program: stop that, or choose another port, as in MEDVAULT_PORT=8080 npm start.\n`,
  );
  expect(fs.readdirSync(data)).toEqual([]);
});

test("too little room is said before anything is written", async () => {
  const data = givenDataDir();
  const { code, said } = await runCommand("start.mjs", [], {
    MEDVAULT_DATA: data,
    MEDVAULT_MIN_FREE_MIB: "999999999",
  });
  expect(code).toBe(1);
  expect(said).toMatch(
    /^medvault: Only \d+ MiB are free for .*, and MedVault needs 999999999: free some space/,
  );
  expect(fs.readdirSync(data)).toEqual([]);
});

test("a path with a space becomes a link to one without", async () => {
  const data = path.join(givenDataDir(), "my data");
  const home = givenDataDir();
  const { code, said } = await runCommand("status.mjs", [], { MEDVAULT_DATA: data, XDG_DATA_HOME: home });
  onTestFinished(() => fs.rmSync(fs.realpathSync(data), { recursive: true, force: true }));
  expect(code).toBe(3);
  const place = process.getuid?.() === 0 ? "/var/lib/medvault" : `${home}/medvault`;
  expect(path.dirname(fs.readlinkSync(data))).toBe(place);
  expect(said).toContain(fs.readlinkSync(data));
});

test.each([
  [{ MEDVAULT_DEMO: "maybe" }, /MEDVAULT_DEMO must be 0/],
  [{ MEDVAULT_DATA: "/proc/medvault" }, /belongs to the kernel/],
])("a bad setting is one sentence, before anything is started (%o)", async (settings, sentence) => {
  const { code, said } = await runCommand("start.mjs", [], { MEDVAULT_DATA: givenDataDir(), ...settings });
  expect(code).toBe(1);
  expect(said).toMatch(sentence);
});

test.each(["start", "stop", "status", "reset", "test", "check"])("%s explains itself", async (name) => {
  const { code, said } = await runCommand(`${name}.mjs`, ["--help"], {});
  expect(code).toBe(0);
  expect(said).toMatch(/^npm (start|stop|test|run)/);
});

test("a reset that nobody can answer removes nothing", async () => {
  const data = givenDataDir();
  fs.writeFileSync(path.join(data, "secrets.json"), "{}");
  const { code, said } = await runCommand("reset.mjs", [], { MEDVAULT_DATA: data });
  expect({ code, left: fs.readdirSync(data) }).toEqual({ code: 1, left: ["secrets.json"] });
  expect(said).toMatch(/npm run reset -- --yes/);
  expect((await runCommand("reset.mjs", ["--yes"], { MEDVAULT_DATA: data })).code).toBe(0);
  expect(fs.readdirSync(data)).toEqual([]);
});
