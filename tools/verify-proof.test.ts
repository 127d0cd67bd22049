import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
// @ts-expect-error plain JavaScript on purpose: the verifier shares nothing with the project, not
// even types
import * as verifier from "./verify-proof.mjs";

const fixtures = new URL("fixtures/verify-proof/", import.meta.url);
const script = new URL("verify-proof.mjs", import.meta.url).pathname;
const fixture = (name: string) => readFileSync(new URL(name, fixtures), "utf8");
const vkey = fixture("audit.vkey").trim();
const inclusion = () => JSON.parse(fixture("inclusion.json"));
const consistency = () => JSON.parse(fixture("consistency.json"));

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "verify-proof-"));
});
afterAll(() => rm(dir, { recursive: true }));

function run(args: string[], input?: unknown) {
  const given = typeof input === "string" ? input : JSON.stringify(input ?? "");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    input: given,
    encoding: "utf8",
  });
  return { status, said: `${stdout}${stderr}` };
}

test("a proof that is slow to come is waited for, also where the pipe was left non-blocking", () => {
  // What opens `process.stdin` makes the pipe non-blocking for the processes that inherit it, as
  // npm does.
  const parent = `process.stdin; process.exit(require("node:child_process").spawnSync(process.execPath, process.argv.slice(1), { stdio: "inherit" }).status);`;
  const line = '(sleep 0.3; cat "$1") | "$2" -e "$3" "$4" --key "$5"';
  const proof = new URL("inclusion.json", fixtures).pathname;
  const args = ["-c", line, "sh", proof, process.execPath, parent, script, vkey];
  const { status, stderr } = spawnSync("sh", args, { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
});

/** The verdict in words, without a process each. */
function verdict(check: () => { words: string }): string {
  try {
    return `valid: ${check().words}`;
  } catch (error) {
    return (error as Error).message;
  }
}
const key = verifier.readKey(vkey);
const judge = (proof: unknown, by = key, origin = "example.test/audit") =>
  verdict(() => verifier.verifyInclusion(proof, by, origin));
const flip = (base64: string) => {
  const bytes = Buffer.from(base64, "base64");
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes.toString("base64");
};

test("a true proof holds, from a file and from standard input, with exit code 0", async () => {
  await writeFile(join(dir, "proof.json"), fixture("inclusion.json"));
  await writeFile(join(dir, "audit.vkey"), `${vkey}\n`);
  const fromFile = run(["--key", join(dir, "audit.vkey"), join(dir, "proof.json")]);
  expect(fromFile).toMatchObject({
    status: 0,
    said: expect.stringMatching(/^VALID: event .* is entry 6 of the log/),
  });
  expect(run(["--key", vkey], inclusion()).status).toBe(0);
  expect(run(["inclusion", "--key", vkey, "-"], inclusion()).status).toBe(0);
});

test("a false proof has exit code 1 and words on standard error; --json puts the verdict on standard output", () => {
  const proof = { ...inclusion(), salt: flip(inclusion().salt) };
  expect(run(["--key", vkey], proof)).toMatchObject({
    status: 1,
    said: expect.stringMatching(/^NOT VALID: the leaf/),
  });
  const { status, said } = run(["--json", "--key", vkey], proof);
  expect({ status, ...JSON.parse(said) }).toMatchObject({ status: 1, valid: false });
  expect(JSON.parse(run(["--json", "--key", vkey], inclusion()).said)).toMatchObject({
    valid: true,
    leafIndex: 6,
  });
});

test("what cannot be checked has exit code 2", () => {
  expect(run(["--help"])).toMatchObject({ status: 0, said: expect.stringContaining("Exit codes") });
  for (const [args, input] of [
    [[], inclusion()],
    [["--key", "nonsense"], inclusion()],
    [["--key", vkey.replace("+8a", "+8b")], inclusion()],
    [["--key", vkey], "{"],
    [["--key", vkey], { hashes: [] }],
    [["--key", vkey, "no-such-file.json"], ""],
    [["--key", vkey, "a", "b"], ""],
    [["--unknown"], ""],
    [["consistency", "--key", vkey], { hashes: [] }],
  ] as [string[], unknown][]) {
    expect(run(args, input), args.join(" ")).toMatchObject({
      status: 2,
      said: expect.stringContaining("NOT CHECKED"),
    });
  }
});

test("every changed part of an inclusion proof is found", () => {
  const good = inclusion();
  expect(judge(good)).toMatch(/^valid/);
  const event = Buffer.from(good.canonicalEvent, "base64").toString();
  const other = Buffer.from(event.replace("u-1", "u-2")).toString("base64");
  expect(judge({ ...good, canonicalEvent: other })).toContain("was changed");
  expect(judge({ ...good, salt: flip(good.salt) })).toContain("was changed");
  expect(judge({ ...good, leaf: flip(good.leaf) })).toContain("was changed");
  expect(judge({ ...good, salt: good.salt.slice(4) })).toContain("32 bytes");
  expect(judge({ ...good, leafIndex: 5 })).toContain("not in this log at this place");
  expect(judge({ ...good, leafIndex: 10 })).toContain("the proof is too long");
  expect(judge({ ...good, leafIndex: 11 })).toContain("beyond");
  expect(judge({ ...good, leafIndex: -1 })).toContain("not a whole number");
  expect(judge({ ...good, treeSize: 12 })).toContain("not the one that was signed");
  for (const at of good.hashes.keys()) {
    expect(judge({ ...good, hashes: good.hashes.with(at, flip(good.hashes[at])) })).toContain(
      "not in this log",
    );
  }
  expect(judge({ ...good, hashes: good.hashes.slice(1) })).toContain("too short");
  expect(judge({ ...good, hashes: [...good.hashes, good.hashes[0]] })).toContain("too long");
});

test("a forged note, another key and another origin are refused", () => {
  const good = inclusion();
  const grown = good.checkpoint.replace("\n11\n", "\n12\n");
  expect(judge({ ...good, treeSize: 12, checkpoint: grown })).toContain("forged or changed");
  expect(judge({ ...good, checkpoint: good.checkpoint.split("\n\n")[0] })).toContain("not a signed note");
  expect(judge(good, key, "example.test/other")).toContain("another log");
  const raw = generateKeyPairSync("ed25519").publicKey.export({ format: "der", type: "spki" }).subarray(12);
  const stranger = { ...key, id: Buffer.from(raw.subarray(0, 4)) };
  expect(judge(good, stranger)).toContain("not signed by this key");
});

test("an event that is not in canonical form is refused although its leaf is right", () => {
  expect(verdict(() => verifier.verifyInclusion(uncanonical(), key, "example.test/audit"))).toContain(
    "canonical form",
  );
});

function uncanonical() {
  const good = inclusion();
  const event = Buffer.from('{"b":1, "a":2}');
  const leaf = createHash("sha256").update(good.salt, "base64").update(event).digest();
  return { ...good, canonicalEvent: event.toString("base64"), leaf: leaf.toString("base64") };
}

test("consistency between two checkpoints holds, and not when the past was changed", async () => {
  const good = consistency();
  expect(run(["consistency", "--key", vkey], good)).toMatchObject({
    status: 0,
    said: expect.stringContaining("with 5 added at its end"),
  });
  await writeFile(join(dir, "old"), good.fromCheckpoint);
  await writeFile(join(dir, "new"), good.toCheckpoint);
  const files = ["consistency", "--key", vkey, "--from", join(dir, "old"), "--to", join(dir, "new")];
  expect(run(files, { hashes: good.hashes }).status).toBe(0);
  expect(run(files, { hashes: good.hashes.with(1, flip(good.hashes[1])) })).toMatchObject({
    status: 1,
    said: expect.stringContaining("its past was changed"),
  });
  const swapped = ["consistency", "--key", vkey, "--from", join(dir, "new"), "--to", join(dir, "old")];
  expect(run(swapped, { hashes: good.hashes })).toMatchObject({
    status: 1,
    said: expect.stringContaining("was cut"),
  });
});

const shared = new URL("../../shared/data/merkle/", import.meta.url);
test.runIf(existsSync(shared))("every RFC 6962 case of transparency-dev ends as it must", () => {
  const cases = (name: string) => JSON.parse(readFileSync(new URL(name, shared), "utf8"));
  const bytes = (base64: string) => Buffer.from(base64, "base64");
  for (const c of cases("rfc6962_inclusion.json")) {
    // Stopped before, by shape.
    if (!Number.isSafeInteger(c.leafIdx) || bytes(c.leafHash).length !== 32) continue;
    const hashes = (c.proof ?? []).map(bytes);
    const check = () =>
      verifier.checkInclusion(bytes(c.leafHash), c.leafIdx, c.treeSize, bytes(c.root), hashes);
    if (c.wantErr) expect(check, c.desc).toThrow();
    else check();
  }
  for (const c of cases("rfc6962_consistency.json")) {
    const [older, newer] = [
      { size: c.size1, root: bytes(c.root1) },
      { size: c.size2, root: bytes(c.root2) },
    ];
    const check = () => verifier.checkConsistency(older, newer, (c.proof ?? []).map(bytes));
    if (c.wantErr) expect(check, c.desc).toThrow();
    else check();
  }
});
