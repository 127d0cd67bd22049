import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { importAssertionKey, loadAssertionVerifier, signAssertion } from "@medvault/service-kit";
import { givenDisk } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import { runTool } from "./test/harness.ts";

const CLAIMS = {
  sub: "guest",
  role: "guest" as const,
  sid: null,
  scope: "",
  auth_time: 0,
  amr: [],
  ip: "",
  ua: "",
};

async function givenFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-make-keys-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

/** Whether services believe what the gateway signs. */
async function pairWorks(dir: string): Promise<boolean> {
  const { signing } = JSON.parse(await readFile(path.join(dir, "gateway.json"), "utf8"));
  const verifier = await loadAssertionVerifier(path.join(dir, "public/gateway.jwks.json"), "audit");
  const token = await signAssertion(await importAssertionKey(signing), CLAIMS, "audit");
  return (await verifier.verify(token)).role === "guest";
}

test("the gateway's private key is 0600, the public one holds no secret, and neither is made twice", async () => {
  const dir = await givenFolder();
  expect(await runTool("make-keys", [dir], {})).toMatchObject({ code: 0 });
  const [secret, shown] = [path.join(dir, "gateway.json"), path.join(dir, "public/gateway.jwks.json")];
  expect([(await stat(secret)).mode & 0o777, (await stat(shown)).mode & 0o777]).toEqual([0o600, 0o644]);
  expect(await readFile(shown, "utf8")).not.toContain('"d"');
  expect(await pairWorks(dir)).toBe(true);
  const before = await readFile(secret, "utf8");
  expect(await runTool("make-keys", [dir], {})).toMatchObject({ code: 0, out: "" });
  expect(await readFile(secret, "utf8")).toBe(before);
});

test("with --folders each key file has a folder of its own, which others may not enter, and none is made twice", async () => {
  const dir = await givenFolder();
  expect(await runTool("make-keys", [dir, "--folders"], {})).toMatchObject({ code: 0 });
  const owners = ["audit", "auth", "backup", "files", "gateway", "records"];
  expect((await readdir(dir)).sort()).toEqual([...owners, "public"].sort());
  for (const owner of owners) {
    expect(await readdir(path.join(dir, owner))).toEqual([`${owner}.json`]);
    expect((await stat(path.join(dir, owner))).mode & 0o777).toBe(0o700);
  }
  expect(await runTool("make-keys", [dir], {})).toMatchObject({ code: 0, out: "" });
  expect(await runTool("make-keys", [dir, "--folders"], {})).toMatchObject({ code: 0, out: "" });
});

test("keys that lie side by side stay there, whatever is asked", async () => {
  const dir = await givenFolder();
  await runTool("make-keys", [dir], {});
  const before = (await readdir(dir)).sort();
  expect(await runTool("make-keys", [dir, "--folders"], {})).toMatchObject({ code: 0, out: "" });
  expect((await readdir(dir)).sort()).toEqual(before);
});

test.each(["gateway.json", "public/gateway.jwks.json"])(
  "a half %s is made again with its other half",
  async (half) => {
    const dir = await givenFolder();
    await runTool("make-keys", [dir], {});
    await writeFile(path.join(dir, half), "");
    expect(await runTool("make-keys", [dir], {})).toMatchObject({ code: 0 });
    expect(await pairWorks(dir)).toBe(true);
  },
);

test("a full disk leaves no half of a key, and the next run makes them", async (frame) => {
  const { dir, ...disk } = givenDisk(frame, 1);
  await mkdir(path.join(dir, "public"));
  disk.fill();
  expect((await runTool("make-keys", [dir], {})).code).not.toBe(0);
  expect(await readdir(dir)).toEqual([".filler", "public"]);
  disk.free();
  expect(await runTool("make-keys", [dir], {})).toMatchObject({ code: 0 });
  expect(await pairWorks(dir)).toBe(true);
});

test("a tool whose output meets a full disk does its work, and says that it could not tell", async () => {
  const dir = await givenFolder();
  const full = openSync("/dev/full", "w");
  const args = [
    "--disable-warning=ExperimentalWarning",
    path.resolve(import.meta.dirname, "make-keys.ts"),
    dir,
  ];
  const child = spawn(process.execPath, args, { env: {}, stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  const words = text(child.stderr as Readable);
  expect(await once(child, "exit")).toEqual([1, null]);
  expect(await words).toBe("make-keys: its output could not be written (ENOSPC).\n");
  expect(await pairWorks(dir)).toBe(true);
});
