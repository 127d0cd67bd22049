import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { droppedLines, LineWriter } from "./line-writer.ts";

/** A process that logs 50 lines, then says on its standard error how many it could not write. */
const LOGGER = new URL("../test/logging-process.ts", import.meta.url).pathname;

test("a log on a full disk ends no process: its lines are dropped and counted", async () => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  const child = spawn(process.execPath, [LOGGER], { stdio: ["ignore", full, "pipe"] });
  const words = once(child.stderr ?? child, "data");
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(String((await words)[0])).toBe("dropped 50\n");
});

test("a log whose reader is gone ends no process", async () => {
  const child = spawn(process.execPath, [LOGGER], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout?.destroy();
  const words = once(child.stderr ?? child, "data");
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(String((await words)[0])).toBe("dropped 50\n");
});

/** A pipe that takes 64 KiB until it is read. */
function pipe() {
  const dir = mkdtempSync(join(tmpdir(), "medvault-lines-"));
  spawnSync("sh", ["-c", 'mkfifo "$0"', join(dir, "pipe")]);
  const fd = openSync(join(dir, "pipe"), constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(fd);
    rmSync(dir, { recursive: true });
  });
  const read = () => {
    const bytes = Buffer.alloc(128 * 1024);
    return bytes.toString("utf8", 0, readSync(fd, bytes));
  };
  return { fd, read };
}

test("what was dropped is said once when lines can be written again, and a torn line ends", () => {
  const { fd, read } = pipe();
  const writer = new LineWriter(fd, (count) => `${count} dropped\n`);
  const line = `${"x".repeat(999)}\n`;
  const before = droppedLines();
  for (let i = 0; i < 100; i++) writer.write(line);
  const dropped = droppedLines() - before;
  expect(dropped).toBeGreaterThan(30);

  const whole = read().split("\n");
  expect(new Set(whole.slice(0, -1))).toEqual(new Set(["x".repeat(999)]));
  writer.write("after\n");
  writer.write("last\n");
  const torn = whole.at(-1) !== "" ? [""] : [];
  expect(read().split("\n")).toEqual([...torn, `${dropped} dropped`, "after", "last", ""]);
});

test("it is said although nothing more is logged", async () => {
  const { fd, read } = pipe();
  const writer = new LineWriter(fd, (count) => `${count} dropped\n`);
  for (let i = 0; i < 100; i++) writer.write(`${"x".repeat(1_023)}\n`);
  read();
  await vi.waitFor(() => expect(read()).toMatch(/^\n?\d+ dropped\n$/), { timeout: 10_000 });
});
