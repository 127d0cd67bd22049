import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { givenDisk } from "@medvault/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { family, identify, isAlive } from "../lib/processes.mjs";
import { forgetRun } from "../lib/stop.mjs";
import { persistent, recordRun } from "../run/record.ts";
import { givenDataDir } from "../test/harness.ts";
import { claimPorts } from "./ports.ts";
import { type Program, Supervised } from "./supervise.ts";

const FOREVER = "setInterval(() => {}, 1000); ";

function givenProgram(
  data: string,
  script: string,
  more: Partial<Program> = {},
): { program: Supervised; said: string[] } {
  const said: string[] = [];
  const flag = path.join(data, "is-ready");
  const definition: Program = {
    name: "sleeper",
    command: process.execPath,
    args: ["-e", `${script}; require("node:fs").writeFileSync(${JSON.stringify(flag)}, "");`],
    env: { PATH: process.env.PATH ?? "" },
    cwd: "/",
    log: path.join(data, "sleeper.log"),
    prepare: () => fs.rmSync(flag, { force: true }),
    isReady: async () => fs.existsSync(flag),
    stopSignal: "SIGTERM",
    stopGraceMs: 500,
    ...more,
  };
  const program = new Supervised(definition, { say: (line) => said.push(line), onChange: () => {} });
  onTestFinished(() => program.stop());
  return { program, said };
}

test("a program that is killed is started again, and a line says so", async () => {
  const { program, said } = givenProgram(givenDataDir(), FOREVER);
  await program.start();
  const first = program.id;
  process.kill(first?.pid ?? 0, "SIGKILL");
  await vi.waitFor(() => expect(said.at(-1)).toMatch(/^sleeper is back/), { timeout: 20_000 });
  expect(said[0]).toBe("sleeper was ended by SIGKILL: starting it again in 0.2 s");
  expect(program.id?.pid).not.toBe(first?.pid);
});

test("a program that cannot start is reported with its last words and not tried for ever", async () => {
  const { program } = givenProgram(
    givenDataDir(),
    'console.error("Error: no such setting"); process.exit(3)',
  );
  await expect(program.start()).rejects.toThrow(
    /^sleeper ended while starting \(Error: no such setting\): see /,
  );
});

test("what it said at an earlier start is not taken for why it ended now", async () => {
  const dir = givenDataDir();
  const early = givenProgram(dir, 'console.error("Error: no such setting"); process.exit(3)');
  await expect(early.program.start()).rejects.toThrow(/no such setting/);
  const late = givenProgram(dir, 'console.error("Refused: no such file\\n    at x\\n}"); process.exit(3)');
  await expect(late.program.start()).rejects.toThrow(/\(Refused: no such file\)/);
});

test("a stop ends a program that does not listen, with all its children", async () => {
  const stubborn = `process.on("SIGTERM", () => {}); require("node:child_process").spawn("sleep", ["60"]); ${FOREVER}`;
  const { program, said } = givenProgram(givenDataDir(), stubborn);
  await program.start();
  const members = program.id ? family(program.id) : [];
  expect(members).toHaveLength(2);
  await program.stop();
  expect(members.filter(isAlive)).toEqual([]);
  expect(said).toEqual(["sleeper did not stop within 0.5 s and was killed"]);
});

test("what a killed run has left is ended, and a process that only has the number of one is not", async () => {
  const data = givenDataDir();
  const { program } = givenProgram(data, FOREVER);
  await program.start();
  const bystander = spawn("sleep", ["60"]);
  onTestFinished(() => void bystander.kill());
  recordRun(data, [program]);
  const file = path.join(data, "processes.json");
  const record = JSON.parse(fs.readFileSync(file, "utf8"));
  record.processes.push({ name: "recycled", pid: bystander.pid, start: "1" });
  fs.writeFileSync(file, JSON.stringify(record));

  const left = program.id;
  // So that it is not started again; forgetRun is what ends the orphans of a crash.
  const stopped = program.stop();
  await forgetRun(data, () => {});
  await stopped;
  expect(isAlive(left)).toBe(false);
  expect(isAlive(identify(bystander.pid ?? 0))).toBe(true);
  expect(fs.existsSync(file)).toBe(false);
});

test("on a full disk it is tried again until it starts, and what runs is not ended by its record", async () => {
  const data = givenDataDir();
  const flag = path.join(data, "is-ready");
  let isFull = false;
  const prepare = () => {
    fs.rmSync(flag, { force: true });
    if (isFull) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  const { program, said } = givenProgram(data, FOREVER, { prepare });
  await program.start();
  isFull = true;
  process.kill(program.id?.pid ?? 0, "SIGKILL");
  const refused = "sleeper could not be started (ENOSPC: no space left on device, write)";
  await vi.waitFor(() => expect(said).toContain(`${refused}: starting it again in 1 s`), { timeout: 20_000 });
  isFull = false;
  await vi.waitFor(() => expect(said.at(-1)).toMatch(/^sleeper is back/), { timeout: 20_000 });
});

test("a program whose lines go through us does not see that its log is full", async (frame) => {
  const data = givenDataDir();
  const disk = givenDisk(frame, 1);
  const log = path.join(disk.dir, "sleeper.log");
  const chatty = 'setInterval(() => console.log("a line"), 20); ';
  const { program } = givenProgram(data, chatty, { log, isLogPiped: true });
  await program.start();
  await vi.waitFor(() => expect(fs.readFileSync(log, "utf8")).toContain("a line\n"), { timeout: 10_000 });
  disk.fill();
  const { size } = fs.statSync(log);
  await vi.waitFor(() => expect(fs.statSync(log).size).toBe(4_096), { timeout: 20_000 });
  expect(size).toBeLessThan(4_096);
  disk.free();
  await vi.waitFor(
    () =>
      expect(fs.readFileSync(log, "utf8")).toMatch(/\n\d+ lines were dropped: they could not be written\n/),
    { timeout: 20_000 },
  );
  expect(isAlive(program.id)).toBe(true);
});

test("one that is stuck after it was started again is ended, and started once more", async () => {
  const data = givenDataDir();
  const flag = path.join(data, "is-ready");
  const stuck = path.join(data, "stuck");
  const hang = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)";
  const script = `if (require("node:fs").existsSync(${JSON.stringify(stuck)})) ${hang}; ${FOREVER}`;
  const more = { stuckAfterMs: 1_000 };
  const { program, said } = givenProgram(data, script, more);
  await program.start();
  fs.writeFileSync(stuck, "");
  process.kill(program.id?.pid ?? 0, "SIGKILL");
  await vi.waitFor(() => expect(said.at(-1)).toMatch(/^sleeper was ended by SIGKILL.* in 0.5 s/), {
    timeout: 20_000,
  });
  fs.rmSync(stuck);
  await vi.waitFor(() => expect(said.at(-1)).toMatch(/^sleeper is back/), { timeout: 20_000 });
  expect(fs.existsSync(flag)).toBe(true);
});

test("records that cannot be written end nothing, and are written once they can be", async () => {
  const said: string[] = [];
  let written = 0;
  const record = persistent(
    () => {
      if (said.length === 0) throw new Error("ENOSPC: no space left on device, write");
      written += 1;
    },
    (line) => said.push(line),
  );
  record();
  await vi.waitFor(() => expect(written).toBe(1), { timeout: 10_000 });
  expect(said).toEqual([
    "the records of what runs could not be written (ENOSPC: no space left on device, write): trying again",
    "the records of what runs are written again",
  ]);
});

test("a damaged record does not let a second run onto the same data while the first lives", async () => {
  const data = givenDataDir();
  // A block that is claimed to the end: other tests' servers listen on ports of chance.
  const { ports, release } = await claimPorts(data, undefined);
  onTestFinished(release);
  const server = net.createServer().listen(ports.base, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const file = path.join(data, "processes.json");
  for (const half of ["", '{"processes":[']) {
    fs.writeFileSync(file, half);
    await expect(forgetRun(data, () => {})).rejects.toThrow(`${file} is damaged`);
  }
  server.close();
  await once(server, "close");
  release();
  expect(await forgetRun(data, () => {})).toBe(0);
  expect(fs.existsSync(file)).toBe(false);
});
