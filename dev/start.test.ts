import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { EXIT } from "@medvault/service-kit";
import { expect, onTestFinished, test } from "vitest";
import { acquireLock, holder } from "./lib/lock.mjs";
import { claimGatewayPort } from "./lib/ports.mjs";
import { checkPlatform } from "./lib/prepare.mjs";
import { listByPs } from "./lib/processes.mjs";
import { BAD_SETTINGS, sentenceFor } from "./lib/words.mjs";
import { givenDataDir, runCommand } from "./test/harness.ts";

async function listening(): Promise<{ port: number; server: net.Server }> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as net.AddressInfo).port, server };
}

async function takenPort(): Promise<number> {
  const { port, server } = await listening();
  onTestFinished(() => void server.close());
  return port;
}

async function freePort(): Promise<number> {
  const { port, server } = await listening();
  await new Promise((resolve) => server.close(resolve));
  return port;
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

test("a port that another MedVault has claimed names its data directory, from the begin of that start on", async () => {
  const port = await freePort();
  const first = givenDataDir();
  onTestFinished(await claimGatewayPort(port, first));
  const { code, said } = await runCommand("start.mjs", [], {
    MEDVAULT_DATA: givenDataDir(),
    MEDVAULT_PORT: String(port),
  });
  expect(code).toBe(1);
  expect(said).toBe(
    `medvault: Port ${port} belongs to the MedVault of ${first} (process ${process.pid}): stop it with MEDVAULT_DATA=${first} npm stop, or choose another port, as in MEDVAULT_PORT=8080 npm start.\n`,
  );
  await expect(claimGatewayPort(port, "/second")).rejects.toThrow(`belongs to the MedVault of ${first}`);
});

test("a data directory that cannot be one is a sentence for every command, with what to do", async () => {
  const dir = givenDataDir();
  const at = (name: string) => path.join(dir, name);
  fs.writeFileSync(at("file"), "");
  fs.symlinkSync(at("b"), at("a"));
  fs.symlinkSync(at("a"), at("b"));
  fs.symlinkSync("/proc", at("kernel"));
  const faults: [string, string][] = [
    [at("file"), "since it is a file, not a directory"],
    [at("file/below/it"), `since ${at("file")} is a file, not a directory`],
    [at("a"), "since it is a link that leads back to itself"],
    [at("a/x"), "since it is a link that leads back to itself"],
    [at("x".repeat(300)), "since the path is too long"],
    [at("x/".repeat(3_000)), "since the path is too long"],
    [at("kernel/x"), "belongs to the kernel"],
    ["/proc/x", "belongs to the kernel"],
  ];
  for (const [data, fault] of faults) {
    for (const name of ["start", "status", "stop", "reset"]) {
      const { code, said } = await runCommand(`${name}.mjs`, [], { MEDVAULT_DATA: data, MEDVAULT_PORT: "1" });
      expect(code, `${name} ${data.slice(0, 80)}`).toBe(1);
      expect(said).toContain(fault);
      expect(said).toContain("set MEDVAULT_DATA to a directory");
      expect(said).not.toMatch(/\n\s+at /);
    }
  }
});

test("a file that the system refuses is a sentence, whatever the reason", () => {
  const codes = ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EISDIR", "ELOOP"];
  for (const code of codes)
    expect(sentenceFor(Object.assign(new Error(code), { code, path: "/there" })), code).toMatch(/: .*\.$/);
  expect(sentenceFor(new Error("a fault of ours"))).toBeNull();
});

test("servers are started on Linux alone; elsewhere the three that are given are used", () => {
  const given = { DATABASE_URL: "postgres://h", REDIS_URL: "redis://h", AMQP_URL: "amqp://h" };
  for (const platform of ["darwin", "win32", "freebsd"] as const) {
    expect(() => checkPlatform(platform, given)).not.toThrow();
    expect(() => checkPlatform(platform, { ...given, REDIS_URL: "" })).toThrow(
      /Linux only, not on .*"docker compose up" starts all of MedVault there.* with REDIS_URL \(/,
    );
    expect(() => checkPlatform(platform, {})).toThrow(/DATABASE_URL and REDIS_URL and AMQP_URL/);
  }
  expect(() => checkPlatform("linux", {})).not.toThrow();
});

test("scripts that run before there are packages end as everything else does", () => {
  expect(BAD_SETTINGS).toBe(EXIT.badSettings);
});

test("on another system, servers that are given are what is looked at, and a folder with a space will do", async () => {
  const away = "127.0.0.1:2";
  const data = path.join(givenDataDir(), "My Records");
  for (const platform of ["darwin", "win32"]) {
    // Only the part that runs before there are packages, some of which are built for a system.
    const user = platform === "win32" ? ";process.getuid=undefined" : "";
    const pretend = `if(process.argv[1].endsWith('start.mjs')){Object.defineProperty(process,'platform',{value:'${platform}'})${user}}`;
    const { code, said } = await runCommand("start.mjs", [], {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(pretend)}`,
      MEDVAULT_DATA: data,
      DATABASE_URL: `postgres://u:p@${away}/medvault`,
      REDIS_URL: `redis://${away}`,
      AMQP_URL: `amqp://u:p@${away}`,
      MEDVAULT_RABBITMQ_URL: `http://u:p@${away}`,
    });
    expect([platform, code]).toEqual([platform, EXIT.badSettings]);
    const faults = said.split("\n").filter((line) => line.startsWith("  "));
    expect(
      faults.map((line) => line.trim().split(":")[0]),
      said,
    ).toEqual(["DATABASE_URL", "REDIS_URL", "AMQP_URL", "MEDVAULT_RABBITMQ_URL"]);
  }
});

test("where there is no /proc, processes are known by ps", () => {
  const [found] = listByPs(["-p", String(process.pid)]);
  expect(found).toMatchObject({ pid: process.pid, state: expect.stringMatching(/^[RS]$/) });
  expect(found?.start).toMatch(/^\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}$/);
  expect(listByPs(["-ax"]).map(({ pid }) => pid)).toContain(process.pid);
});

test("own files that are torn or gone are named, and not made again", async () => {
  const data = givenDataDir();
  fs.mkdirSync(path.join(data, "postgres"));
  fs.writeFileSync(path.join(data, "postgres/PG_VERSION"), "17");
  const start = () => runCommand("start.mjs", [], { MEDVAULT_DATA: data, MEDVAULT_MIN_FREE_MIB: "0" });
  expect((await start()).said).toContain(`${data}/secrets.json is gone, and with it the passwords`);
  fs.mkdirSync(path.join(data, "keys"));
  for (const name of ["secrets.json", "keys/records.json"]) fs.writeFileSync(path.join(data, name), "");
  expect((await start()).said).toContain(
    `${data}/secrets.json and ${data}/keys/records.json cannot be read, or are damaged: put them back from a copy.`,
  );
  expect(fs.readFileSync(path.join(data, "secrets.json"), "utf8")).toBe("");
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
  [{ MEDVAULT_DEMO: "maybe" }, /MEDVAULT_DEMO must be 0/, EXIT.badSettings],
  [{ MEDVAULT_DATA: "/proc/medvault" }, /belongs to the kernel/, EXIT.failed],
])("a bad setting is one sentence, before anything is started (%o)", async (settings, sentence, exitCode) => {
  const { code, said } = await runCommand("start.mjs", [], { MEDVAULT_DATA: givenDataDir(), ...settings });
  expect(code).toBe(exitCode);
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
