import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** Runs the fixture to its end, with these settings. */
function ended(env: Record<string, string>): Promise<{ code: number | null; out: string; words: string }> {
  const entry = fileURLToPath(new URL("../test/process.ts", import.meta.url));
  const child = spawn(process.execPath, [entry], { env: { PATH: process.env.PATH, ...env } });
  let out = "";
  let words = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, words }));
  });
}

test("bad settings are named, all at once, with no value and no stack trace", async () => {
  const { code, words } = await ended({
    PORT: "70000",
    REDIS_URL: "http://secret@x",
    MEDVAULT_TEST_COUNT: "9",
  });
  expect(code).toBe(1);
  const [line = ""] = words.split("\n").filter((each) => each.startsWith("fixture: "));
  for (const name of ["PORT", "ADMIN_PORT", "REDIS_URL", "MEDVAULT_TEST_COUNT"]) expect(line).toContain(name);
  expect(words).not.toMatch(/secret|^\s+at /m);
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
