import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { createSubjectKey, openKeyring, tableKey } from "@medvault/keys";
import {
  generateKeyFile,
  moveKeysToVault,
  noteEscrow,
  rotateServiceKey,
  splitFiles,
} from "@medvault/keys/operations";
import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { givenVault, type KeysPlace, makeKeysPlace, runTool } from "../test/harness.ts";

// Each command is a process of its own, which on a busy machine takes seconds to begin.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });
const SERVICES = ["auth", "records", "files", "audit", "backup"] as const;
type Service = (typeof SERVICES)[number];
const AWAY = "postgres://nobody@127.0.0.1:1/none";

let database: TestDatabase;
let place: KeysPlace;
let shares: string[];
let older: Map<string, string>;
beforeAll(async () => {
  database = await createTestDatabase(SERVICES);
});
afterAll(() => database?.drop());
beforeEach(async () => {
  place = await makeKeysPlace(database, SERVICES);
  older = new Map();
  const files: Record<string, string> = {};
  for (const service of SERVICES) {
    const [pool, keysFile] = [database.pool(service), place.fileOf(service)];
    older.set(service, await readFile(keysFile, "utf8"));
    await storeKeys(service);
    await rotateServiceKey({ service, keysFile, pool }, async () => undefined);
    await noteEscrow(keysFile, service);
    files[`${service}.json`] = await readFile(keysFile, "utf8");
  }
  shares = [];
  for (const share of (await splitFiles(files, 3, 2)).slice(1)) {
    shares.push(path.join(place.dir, `share-${share.number}.json`));
    await writeFile(shares.at(-1) ?? "", JSON.stringify(share));
  }
});
afterEach(async () => {
  for (const service of SERVICES)
    for (const table of ["subject_keys", "keys", "service_keys", "service_key_versions", "outbox"])
      await database.pool(service).query(`delete from ${table}`);
  await place.remove();
});

const open = (service: Service) =>
  openKeyring(database.pool(service), { service, keysFile: place.fileOf(service) });

async function storeKeys(service: Service): Promise<void> {
  const keyring = await open(service);
  await createSubjectKey(database.pool(service), keyring, randomUUID());
  await tableKey(database.pool(service), keyring, "some");
}

/** As `npm start` does it: it makes what is missing, and proves what is there. */
const makeKeys = () =>
  runTool("make-keys", [path.join(place.dir, "keys")], {
    MEDVAULT_OWNER_DATABASE_URL: database.ownerUrl,
    NODE_ENV: "test",
  });

/** Nothing of MedVault runs: no ops.json, and no database behind the settings. */
async function takeAllDown(): Promise<void> {
  await rm(path.join(place.dir, "ops.json"), { force: true });
  for (const service of SERVICES) place.env[`MEDVAULT_${service.toUpperCase()}_DATABASE_URL`] = AWAY;
}

function bringBack(): void {
  for (const service of SERVICES)
    place.env[`MEDVAULT_${service.toUpperCase()}_DATABASE_URL`] = database.url(service);
}

const swapped = async (one: Service, other: Service): Promise<void> => {
  await rename(place.fileOf(one), `${place.fileOf(one)}.x`);
  await rename(place.fileOf(other), place.fileOf(one));
  await rename(`${place.fileOf(one)}.x`, place.fileOf(other));
};
const each = (damage: (service: Service) => Promise<unknown>) => () => Promise.all(SERVICES.map(damage));

test.each<[string, () => Promise<unknown>, readonly Service[], string]>([
  ["lost", each((service) => rm(place.fileOf(service))), SERVICES, "put_back"],
  ["empty", each((service) => truncate(place.fileOf(service), 0)), SERVICES, "aside"],
  ["truncated", each((service) => truncate(place.fileOf(service), 150)), SERVICES, "aside"],
  ["garbage", each((service) => writeFile(place.fileOf(service), randomBytes(500))), SERVICES, "aside"],
  [
    "older",
    each((service) => writeFile(place.fileOf(service), older.get(service) ?? "")),
    SERVICES,
    "joined",
  ],
  [
    "another's",
    async () => {
      for (const service of SERVICES.slice(1)) await copyFile(place.fileOf("auth"), place.fileOf(service));
    },
    SERVICES.slice(1),
    "aside",
  ],
  ["swapped", () => swapped("files", "records"), ["records", "files"], "aside"],
])(
  "threat: key files that are %s stop the start with what to do, and come back from shares while all is down",
  async (_, damage, damaged, did) => {
    const right = new Map(
      SERVICES.map((name) => [name, JSON.parse(readFileSync(place.fileOf(name), "utf8"))]),
    );
    await damage();
    const before = readdirSync(path.join(place.dir, "keys")).sort();
    const refused = await makeKeys();
    expect(refused.code).toBe(1);
    for (const service of damaged)
      expect(refused.err).toMatch(new RegExp(`\\n  ${service}: .*${service}.json.*npm run keys -- recover`));
    expect(readdirSync(path.join(place.dir, "keys")).sort()).toEqual(before);
    const doctor = await place.keysJson("doctor");
    expect(doctor.answer.findings).toEqual(
      expect.arrayContaining(
        damaged.map((service) => expect.objectContaining({ service, check: "key_file" })),
      ),
    );
    await takeAllDown();
    const { code, answer } = await place.keysJson("recover", ...shares);
    expect({ code, files: answer.files }).toEqual({
      code: 0,
      files: SERVICES.map((name) => ({
        file: `${name}.json`,
        did: damaged.includes(name) ? did : "kept",
      })),
    });
    bringBack();
    for (const service of SERVICES)
      expect(JSON.parse(readFileSync(place.fileOf(service), "utf8")).versions).toMatchObject(
        right
          .get(service)
          .versions.map(({ version, key, state }: Record<string, unknown>) => ({ version, key, state })),
      );
    expect(await place.keys("doctor")).toMatchObject({ code: 0 });
  },
);

/** What an installation has whose key file was lost before services looked: a second "version 1". */
async function givenSecondKey(service: Service) {
  const pool = database.pool(service);
  await rm(place.fileOf(service));
  await generateKeyFile(place.fileOf(service), service);
  const subject = randomUUID();
  const wrapped = await createSubjectKey(pool, await place.keyringOf(service), subject);
  return { subject, wrapped };
}

test("threat: a key that was made over data is told apart from the true one, joined to it, and both open", async () => {
  const pool = database.pool("files");
  const { rows } = await pool.query("select subject_id, wrapped from subject_keys");
  const first = { subject: rows[0].subject_id as string, wrapped: rows[0].wrapped as Buffer };
  const second = await givenSecondKey("files");
  expect(await makeKeys()).toMatchObject({
    code: 1,
    err: expect.stringMatching(
      /files: .*version 1 is another key there \(\w{12}, in the tables \w{12}\); version 2 is missing/,
    ),
  });
  await takeAllDown();
  const { out } = await place.keys("recover", ...shares);
  expect(out).toMatch(
    /files.json: put back into it: version 1 \(key (\w{12})\), version 2 \(key (\w{12})\). Version 1 that was there is another key \((?!\1)version 1 \(key \w{12}\)\): it is version 3 now, and what it wrapped opens too/,
  );
  expect(out).toContain("No event could be written for files: the database does not answer.");
  bringBack();
  expect(await makeKeys()).toMatchObject({ code: 0 });
  for (const { subject, wrapped } of [first, second])
    expect((await open("files")).subjectKey(wrapped, subject).key).toHaveLength(32);
  expect(await place.keys("doctor", "files")).toMatchObject({
    code: 1,
    out: "✗ files: shares hold version 2, and 3 is active: escrow again, destroy the old shares.\n",
  });
  expect(await place.keysJson("rewrap", "files")).toMatchObject({
    answer: { services: [{ rewrapped: 3, refused: [] }] },
  });
  for (const version of ["1", "2"]) expect((await place.keys("destroy", "files", version)).code).toBe(0);
  const now = await open("files");
  const left = await pool.query("select subject_id, wrapped from subject_keys");
  expect(left.rowCount).toBe(2);
  for (const row of left.rows) expect(now.subjectKey(row.wrapped, row.subject_id).key).toHaveLength(32);
});

test("threat: keys that Vault wraps are proved at the start as well, and others that it wraps are refused", async () => {
  const { args } = await givenVault(place.dir);
  expect(await place.keys("to-vault", "files", ...args)).toMatchObject({ code: 0 });
  expect((await open("files")).provider.kind).toBe("vault");
  await rm(place.fileOf("files"));
  await generateKeyFile(place.fileOf("files"), "files");
  const [, url = "", , tokenFile = "", , keyName = ""] = args;
  await moveKeysToVault(place.fileOf("files"), "files", { url, tokenFile, keyName, mount: "transit" });
  await expect(open("files")).rejects.toThrow(/version 1 is another key there .*version 2 is missing there/);
});

test("threat: the doctor opens what lies under each version, and names the key that another key wrapped", async () => {
  const true_ = await readFile(place.fileOf("records"));
  const { subject } = await givenSecondKey("records");
  await writeFile(place.fileOf("records"), true_);
  expect(await place.keysJson("doctor", "records")).toMatchObject({
    code: 1,
    answer: {
      findings: [{ check: "keys", says: expect.stringContaining(`1 keys do not open (${subject})`) }],
    },
  });
});

test("threat: without a database no single missing key file is made, and a new folder gets all", async () => {
  const dir = path.join(place.dir, "keys");
  await rm(place.fileOf("audit"));
  const blind = await runTool("make-keys", [dir], { NODE_ENV: "test" });
  expect(blind).toMatchObject({ code: 1, err: expect.stringMatching(/none of audit.*keys -- recover/) });
  expect(existsSync(place.fileOf("audit"))).toBe(false);
  const { code } = await runTool("make-keys", [path.join(place.dir, "new")], { NODE_ENV: "test" });
  expect(code).toBe(0);
  expect(readdirSync(path.join(place.dir, "new")).sort()).toEqual(
    [...SERVICES.map((name) => `${name}.json`), "gateway.json", "public"].sort(),
  );
});

test("a stopped installation says what to do, for every command", async () => {
  for (const name of SERVICES) place.env[`MEDVAULT_${name.toUpperCase()}_DATABASE_URL`] = AWAY;
  for (const command of [["list"], ["rotate", "files"], ["escrow", "--out", path.join(place.dir, "more")]])
    expect(await place.keys(...command)).toMatchObject({
      code: 75,
      err: expect.stringMatching(
        /^keys: the database of \w+ does not answer at 127.0.0.1:1: start MedVault \(npm start\)/,
      ),
    });
  await rm(path.join(place.dir, "ops.json"));
  expect(await runTool("keys", ["list"], { MEDVAULT_DATA: place.dir })).toMatchObject({
    code: 2,
    err: expect.stringMatching(/nothing says where the database of auth is: start MedVault \(npm start\)/),
  });
});

test("the runbook's lines work as they are written, from the loss of a file to the end of a rotation", async () => {
  const runbook = await readFile(path.resolve(import.meta.dirname, "../../docs/runbooks/keys.md"), "utf8");
  const blocks = [...runbook.matchAll(/^ *```\n([\s\S]*?)^ *```$/gm)].map(([, lines = ""]) => lines);
  const lines = blocks
    .flatMap((block) => block.split("\n"))
    .flatMap((line) => /^ *npm run keys -- (?!--help|to-vault)([^#]+)/.exec(line)?.[1]?.trim() ?? []);
  expect(lines.length).toBeGreaterThan(9);
  const escrow = /`npm run keys -- (escrow .*) <folder>`/.exec(runbook)?.[1]?.split(" ") ?? [];
  expect(await place.keys(...escrow, path.join(place.dir, "usb"))).toMatchObject({ code: 0 });
  await givenSecondKey("files");
  for (const [at, line] of lines.entries()) {
    const args = line.split(" ").map((word) => {
      if (word.startsWith("share-")) return path.join(place.dir, "usb", word);
      return word === "/media/usb/shares" ? path.join(place.dir, `usb-${at}`) : word;
    });
    const { code, err } = await place.keys(...args);
    const isDoctor = args[0] === "doctor"; // it finds the joined key, which is in no share yet
    expect({ line, code, err }).toEqual({ line, code: isDoctor ? 1 : 0, err: "" });
  }
  expect(await place.keys("doctor")).toMatchObject({ code: 0 });
});
