import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import path from "node:path";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { createTestDatabase } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import { runTool } from "../test/harness.ts";

const TOOLS = path.resolve(import.meta.dirname, "..");
const NOWHERE = { PATH: process.env.PATH ?? "", MEDVAULT_DATA: "/nonexistent" };

const run = (tool: string, args: string[], env: Record<string, string> = {}) =>
  runTool(tool, args, { ...NOWHERE, ...env });

const NAMES = globSync("*.ts", { cwd: TOOLS, exclude: ["*.test.ts", "config.ts"] }).map((name) =>
  name.slice(0, -3),
);

test.each(NAMES)("%s explains itself, and an option that there is not is exit code 2", async (name) => {
  const help = await run(name, ["--help"]);
  expect(help).toMatchObject({ code: 0, err: "" });
  expect(help.out).toMatch(/(npm run|node tools\/)/);
  expect(help.out).toContain("Exit code: 0 done");
  const wrong = await run(name, ["--frobnicate"]);
  expect(wrong).toMatchObject({ code: 2, out: "" });
  expect(wrong.err).toMatch(/--frobnicate.*--help/);
});

test("without ops.json the environment says where everything is; with neither it is said what to set", async () => {
  const database = await createTestDatabase(["records"]);
  onTestFinished(() => database.drop());
  const nowhere = await run("parked", []);
  expect(nowhere).toMatchObject({ code: 2, err: expect.stringContaining("MEDVAULT_<SERVICE>_DATABASE_URL") });
  const env = { MEDVAULT_RECORDS_DATABASE_URL: database.url("records") };
  expect(await run("parked", [], env)).toEqual({ code: 0, out: "No message is parked.\n", err: "" });
  const { out } = await run("parked", ["--json"], env);
  expect(JSON.parse(out)).toEqual({ command: "parked", ok: true, parked: [] });
  expect(await run("parked", [], { MEDVAULT_RECORDS_DATABASE_URL: "nowhere" })).toMatchObject({
    code: 1,
    err: expect.stringMatching(/MEDVAULT_RECORDS_DATABASE_URL \(must be a URL with postgres/),
  });
  for (const service of SERVICES_WITH_DATA)
    expect((await run("parked", ["--help"])).out).toContain(`MEDVAULT_${service.toUpperCase()}_DATABASE_URL`);
});

test("a reader that stops early is no failure", () => {
  const line = '"$0" "$1" --help | head -c 1';
  const { stderr } = spawnSync("sh", ["-c", line, process.execPath, path.join(TOOLS, "keys.ts")], {
    env: NOWHERE,
  });
  expect(String(stderr)).toBe("");
});
