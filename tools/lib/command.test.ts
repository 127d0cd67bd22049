import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { EXIT } from "@medvault/service-kit";
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
    code: EXIT.badSettings,
    err: expect.stringMatching(/MEDVAULT_RECORDS_DATABASE_URL","fault":"must be a URL with postgres/),
  });
  for (const service of SERVICES_WITH_DATA)
    expect((await run("parked", ["--help"])).out).toContain(`MEDVAULT_${service.toUpperCase()}_DATABASE_URL`);
});

test("what is wrong with a message's id, its service or the verb is said in a sentence each", async () => {
  const words = async (...args: string[]) => (await run("parked", args)).err;
  expect(await words("frob")).toMatch(/^parked: parked cannot frob: npm run parked lists messages, /);
  expect(await words("redrive", "records")).toContain("redrive needs a service and an id: ");
  expect(await words("redrive", "wards", "x")).toContain("there is no service wards: it is one of ");
  expect(await words("redrive", "records", "x")).toContain(
    "x is not the id of a message: npm run parked shows ",
  );
});

test("a database that has ended is not asked: whoever has its port by now gets no password", async () => {
  const data = mkdtempSync(path.join(tmpdir(), "medvault-stopped-"));
  onTestFinished(() => rmSync(data, { recursive: true }));
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  const asked: unknown[] = [];
  const server = createServer((socket) => void asked.push(socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const records = `postgres://r:secret@127.0.0.1:${(server.address() as AddressInfo).port}/m`;
  const ops = { postgres: { services: { records }, pid: gone } };
  writeFileSync(path.join(data, "ops.json"), JSON.stringify(ops));
  const sentence =
    "parked: MedVault is not running, and the database of records with it: start it (npm start).\n";
  expect(await run("parked", [], { MEDVAULT_DATA: data })).toEqual({
    code: EXIT.tryAgain,
    out: "",
    err: sentence,
  });
  expect(asked).toEqual([]);
});

test("a key file that is not there is said to be missing, and not to be a bad key", () => {
  const args = [path.join(TOOLS, "verify-proof.mjs"), "--key", "/nope"];
  const { status, stderr } = spawnSync(process.execPath, args, { input: "", encoding: "utf8" });
  expect([status, stderr]).toEqual([2, expect.stringContaining("there is no file /nope, or not for you")]);
});

test("a reader that stops early is no failure", () => {
  const line = '"$0" "$1" --help | head -c 1';
  const { stderr } = spawnSync("sh", ["-c", line, process.execPath, path.join(TOOLS, "keys.ts")], {
    env: NOWHERE,
  });
  expect(String(stderr)).toBe("");
});
