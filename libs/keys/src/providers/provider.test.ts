import { chmod, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { readWrappedKeyHeader } from "@medvault/crypto";
import { beforeEach, expect, test } from "vitest";
import { givenFolder } from "../../test/harness.ts";
import {
  KeyDocumentInvalid,
  KeyFileChanged,
  KeyFileMissing,
  KeyFileTooOpen,
  KeyFileUnreadable,
  KeysOfAnotherService,
  KeyVersionActive,
  KeyVersionDestroyed,
  KeyVersionUnknown,
  NoKeySource,
} from "../errors.ts";
import { createKeyring } from "../keyring/keyring.ts";
import { generateKeyFile } from "../operations/generate.ts";
import { changeKeyFile } from "./key-file.ts";
import { withNextVersion, withoutVersion } from "./key-versions.ts";

const KEY_1 = Buffer.alloc(32, 1).toString("base64");
const SECRET = Buffer.alloc(32, 9);
const KEY_2 = Buffer.alloc(32, 2).toString("base64");
const version = (number: number, state: string, key?: string): object => ({
  version: number,
  state,
  key,
  createdAt: "2026-01-31T00:00:00.000Z",
});

const of = (...versions: object[]) => ({ service: "records", versions });

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await givenFolder();
  path = join(folder, "records.json");
});

const save = (content: unknown, mode = 0o600): Promise<void> =>
  writeFile(path, typeof content === "string" ? content : JSON.stringify(content), { mode });
const fromFile = (service = "records") => createKeyring({ service, keysFile: path });
const fromEnv = (content: unknown) =>
  createKeyring({
    service: "records",
    keysEnv: typeof content === "string" ? content : JSON.stringify(content),
  });

test("a generated key file is 0600, opens, and leaves nothing else behind", async () => {
  expect(await generateKeyFile(path, "records")).toBe("made");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["records.json"]);
  const keyring = await fromFile();
  expect(keyring.provider.current()).toMatchObject({ version: 1, state: "active" });
});

test("a key file is never replaced, not even by twenty that make it at once", async () => {
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => generateKeyFile(path, "records")));
  expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(1);
  const before = await readFile(path);
  expect(await generateKeyFile(path, "records")).toBe("kept");
  expect(await readFile(path)).toEqual(before);
  expect(await readdir(folder)).toEqual(["records.json"]);
});

test("the folder of a generated key file is closed to others", async () => {
  await generateKeyFile(join(folder, "keys", "records.json"), "records");
  expect((await stat(join(folder, "keys"))).mode & 0o077).toBe(0);
});

test("a missing key file is an error that names the command", async () => {
  await expect(fromFile()).rejects.toThrow(KeyFileMissing);
  await expect(fromFile()).rejects.toThrow(/npm start/);
});

test("a key file that others may read is refused, and opens once it is closed", async () => {
  await generateKeyFile(path, "records");
  for (const mode of [0o640, 0o604, 0o620, 0o601, 0o666, 0o777]) {
    await chmod(path, mode);
    await expect(fromFile(), mode.toString(8)).rejects.toThrow(KeyFileTooOpen);
  }
  for (const mode of [0o600, 0o400]) {
    await chmod(path, mode);
    expect((await fromFile()).service).toBe("records");
  }
});

test("the mode is asked of the file that a link leads to", async () => {
  await generateKeyFile(join(folder, "real.json"), "records");
  await symlink(join(folder, "real.json"), path);
  expect((await fromFile()).service).toBe("records");
  await chmod(join(folder, "real.json"), 0o644);
  await expect(fromFile()).rejects.toThrow(KeyFileTooOpen);
});

test("a folder or a device in the file's place is refused", async () => {
  await expect(createKeyring({ service: "records", keysFile: folder })).rejects.toThrow(KeyFileUnreadable);
  await symlink("/dev/null", path);
  await expect(fromFile()).rejects.toThrow(KeyFileUnreadable);
});

test("damaged documents are refused with the place of every fault and no value", async () => {
  for (const [document, place] of [
    ["{", /it is not JSON/],
    ["", /it is not JSON/],
    [of(), /versions/],
    [of(version(1, "retired", KEY_1)), /not exactly one version is active/],
    [of(version(1, "active", KEY_1), version(2, "active", KEY_2)), /not exactly one/],
    [of(version(1, "active", KEY_1), version(1, "retired", KEY_2)), /there twice/],
    [of(version(1, "active")), /version 1 has no key of 32 bytes/],
    [of(version(1, "active", "c2hvcnQ=")), /version 1 has no key of 32 bytes/],
    [of(version(0, "secret", "S3cret!")), /versions.0.version.*versions.0.state.*versions.0.key/],
  ] as const) {
    await save(document);
    await expect(fromFile()).rejects.toThrow(KeyDocumentInvalid);
    await expect(fromFile()).rejects.toThrow(place);
    await expect(fromFile()).rejects.not.toThrow(/S3cret|c2hvcnQ|AQEB/);
    await expect(fromEnv(document)).rejects.toThrow(place);
  }
});

test("the keys of another service are refused", async () => {
  await generateKeyFile(path, "files");
  await expect(fromFile()).rejects.toThrow(KeysOfAnotherService);
});

test("the environment may hold the document, or base64 of it, with more in it than we know", async () => {
  const document = { service: "records", versions: [version(1, "active", KEY_1)], signing: { kty: "OKP" } };
  const base64 = Buffer.from(JSON.stringify(document)).toString("base64");
  const wrapped = (await fromEnv(document)).wrap(SECRET, ["table", "x"]);
  expect((await fromEnv(base64)).unwrap(wrapped, ["table", "x"])).toEqual(SECRET);
});

test("no source of keys, or two, is refused", async () => {
  await expect(createKeyring({ service: "records" })).rejects.toThrow(NoKeySource);
  await expect(createKeyring({ service: "records", keysFile: path, keysEnv: "{}" })).rejects.toThrow(
    NoKeySource,
  );
});

test("retired versions still unwrap, destroyed ones do not, and each says so", async () => {
  const before = await fromEnv(of(version(1, "active", KEY_1)));
  const wrapped = before.wrap(SECRET, ["table", "x"]);
  const after = await fromEnv(of(version(1, "retired", KEY_1), version(2, "active", KEY_2)));
  expect(after.unwrap(wrapped, ["table", "x"])).toEqual(SECRET);
  const newer = after.wrap(SECRET, ["table", "x"]);
  expect(() => before.unwrap(newer, ["table", "x"])).toThrow(KeyVersionUnknown);
  const last = await fromEnv(of(version(1, "destroyed", KEY_1), version(2, "active", KEY_2)));
  expect(() => last.unwrap(wrapped, ["table", "x"])).toThrow(KeyVersionDestroyed);
});

test("a version that appeared in the file since is loaded when it is met, at once", async () => {
  await generateKeyFile(path, "records");
  const [keyring, other] = [await fromFile(), await fromFile()];
  await changeKeyFile(path, "records", (document) =>
    withNextVersion(document, { key: KEY_2 }, new Date("2026-02-01T00:00:00Z")),
  );
  const wrapped = other.wrap(SECRET, ["table", "x"]);
  expect(keyring.unwrap(wrapped, ["table", "x"])).toEqual(SECRET);
  expect(keyring.provider.versions()).toMatchObject([
    { version: 1, state: "retired" },
    { version: 2, state: "active" },
  ]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["records.json"]);
});

test("a file that has not changed is not read again, however often a version is unknown", async () => {
  await save(of(version(1, "active", KEY_1)));
  const keyring = await fromFile();
  const known = keyring.provider.versions();
  const foreign = (await fromEnv(of(version(7, "active", KEY_2)))).wrap(SECRET, ["table", "x"]);
  expect(() => keyring.unwrap(foreign, ["table", "x"])).toThrow(KeyVersionUnknown);
  expect(keyring.provider.versions()).toBe(known);
});

test("a key that wraps is always the newest in the file, and a destroyed one opens nothing in a process that knew it", async () => {
  await generateKeyFile(path, "records");
  const keyring = await fromFile();
  const wrapped = keyring.wrap(SECRET, ["subject", "a"]);
  await changeKeyFile(path, "records", (document) => withNextVersion(document, { key: KEY_2 }, new Date()));
  const rewrapped = keyring.rewrap(wrapped, ["subject", "a"]) ?? wrapped;
  expect(readWrappedKeyHeader(rewrapped)).toEqual({ serviceKeyVersion: 2, keyVersion: 1 });
  expect(keyring.rewrap(rewrapped, ["subject", "a"])).toBeNull();
  expect(keyring.subjectKey(wrapped, "a").key).toEqual(SECRET);
  await changeKeyFile(path, "records", (document) => withoutVersion(document, 1, new Date()));
  expect(keyring.subjectKey(rewrapped, "a").key).toEqual(SECRET);
  expect(() => keyring.unwrap(wrapped, ["subject", "a"])).toThrow(KeyVersionDestroyed);
  expect(() => keyring.subjectKey(wrapped, "a")).toThrow(KeyVersionDestroyed);
  expect(await readFile(path, "utf8")).not.toContain(KEY_1);
});

test("a file that is damaged or gone while a process runs takes nothing from it, and unknown versions say why", async () => {
  await generateKeyFile(path, "records");
  const keyring = await fromFile();
  const wrapped = keyring.wrap(SECRET, ["table", "x"]);
  const foreign = (await fromEnv(of(version(7, "active", KEY_2)))).wrap(SECRET, ["table", "x"]);
  await save("{", 0o600);
  expect(keyring.unwrap(keyring.wrap(SECRET, ["table", "x"]), ["table", "x"])).toHaveLength(32);
  expect(() => keyring.unwrap(foreign, ["table", "x"])).toThrow(KeyDocumentInvalid);
  await rm(path);
  expect(keyring.unwrap(wrapped, ["table", "x"])).toHaveLength(32);
});

test("two changes of a key file at once: one is made, the other refused, and nothing else is kept", async () => {
  await save({ service: "records", versions: [version(1, "active", KEY_1)], signing: { kty: "OKP" } });
  const rotate = () =>
    changeKeyFile(path, "records", async (document) => withNextVersion(document, { key: KEY_2 }, new Date()));
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, rotate));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  for (const { reason } of refused) expect(reason).toBeInstanceOf(KeyFileChanged);
  const document = JSON.parse(await readFile(path, "utf8"));
  expect(document.versions).toHaveLength(1 + outcomes.length - refused.length);
  expect(document.signing).toEqual({ kty: "OKP" });
  expect(await readdir(folder)).toEqual(["records.json"]);
});

test("a lock that a killed process left is passed over once it is old, and not before", async () => {
  await generateKeyFile(path, "records");
  const rotate = () =>
    changeKeyFile(path, "records", (document) => withNextVersion(document, { key: KEY_2 }, new Date()));
  await writeFile(`${path}.lock`, "");
  await expect(rotate()).rejects.toThrow(KeyFileChanged);
  await utimes(`${path}.lock`, 1, 1);
  expect((await rotate()).versions).toHaveLength(2);
  expect(await readdir(folder)).toEqual(["records.json"]);
});

test("the active version is not destroyed, nor an unknown one, and destroying twice changes nothing", async () => {
  await generateKeyFile(path, "records");
  const destroy = (number: number) =>
    changeKeyFile(path, "records", (document) => withoutVersion(document, number, new Date()));
  await expect(destroy(1)).rejects.toThrow(KeyVersionActive);
  await expect(destroy(2)).rejects.toThrow(KeyVersionUnknown);
  await changeKeyFile(path, "records", (document) => withNextVersion(document, { key: KEY_2 }, new Date()));
  await destroy(1);
  const before = await readFile(path);
  await destroy(1);
  expect(await readFile(path)).toEqual(before);
});

test("threat: no key shows when a keyring or an error about keys is printed", async () => {
  await save(of(version(1, "active", KEY_1)));
  const keyring = await fromFile();
  const wrapped = keyring.wrap(SECRET, ["subject", "a"]);
  keyring.subjectKey(wrapped, "a");
  const printed = inspect(keyring, { depth: 10, showHidden: true }) + JSON.stringify(keyring);
  for (const secret of [KEY_1, "01 01 01 01", "09 09 09 09", "1,1,1,1"])
    expect(printed).not.toContain(secret);
});
