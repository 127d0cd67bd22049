import { randomBytes, randomUUID } from "node:crypto";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { beforeEach, expect, test, vi } from "vitest";
import { givenDatabase, givenFolder } from "../../test/harness.ts";
import { KeysError } from "../errors.ts";
import { generateKeyFile } from "../operations/generate.ts";
import { changeKeyFile } from "../providers/key-file.ts";
import { withNextVersion } from "../providers/key-versions.ts";
import { rewrap } from "../rotation/rewrap.ts";
import { rotateServiceKey } from "../rotation/service-key.ts";
import { openKeyring } from "./keyring.ts";
import { indexKey, tableKey } from "./service-keys.ts";
import { signingKey } from "./signing-keys.ts";
import { createSubjectKey } from "./subject-keys.ts";

const database = await givenDatabase(...SERVICES_WITH_DATA);
const folder = await givenFolder();
const fileOf = (service: string) => join(folder, `${service}.json`);
const open = (service: ServiceName) =>
  openKeyring(database.pool(service), { service, keysFile: fileOf(service) });
const silent = async (): Promise<void> => undefined;

/** Every service: version 1, then version 2, under which one key of each kind lies; and a copy. */
const older = new Map<string, string>();
beforeEach(async () => {
  for (const service of SERVICES_WITH_DATA) {
    const pool = database.pool(service);
    for (const table of ["subject_keys", "keys", "service_keys"]) await pool.query(`delete from ${table}`);
    await rm(fileOf(service), { force: true });
    await generateKeyFile(fileOf(service), service);
    older.set(service, await readFile(fileOf(service), "utf8"));
    const keyring = await open(service);
    await createSubjectKey(pool, keyring, randomUUID());
    await tableKey(pool, keyring, "some");
    await indexKey(pool, keyring, "some.field");
    await signingKey(pool, keyring, "some");
    await rotateServiceKey({ service, keysFile: fileOf(service), pool }, silent);
    await rewrap(pool, keyring, { pausePerWork: 0 });
  }
});

const DAMAGE: Readonly<Record<string, (service: ServiceName, other: ServiceName) => Promise<unknown>>> = {
  lost: (service) => rm(fileOf(service)),
  empty: (service) => truncate(fileOf(service), 0),
  truncated: (service) => truncate(fileOf(service), 150),
  garbage: (service) => writeFile(fileOf(service), randomBytes(600)),
  older: (service) => writeFile(fileOf(service), older.get(service) ?? ""),
  "another's": async (service, other) => writeFile(fileOf(service), await readFile(fileOf(other))),
  "another's, in its name": async (service, other) => {
    const text = await readFile(fileOf(other), "utf8");
    await writeFile(fileOf(service), text.replace(`"${other}"`, `"${service}"`));
  },
  "made again": async (service) => {
    await rm(fileOf(service));
    await generateKeyFile(fileOf(service), service);
  },
  "made again, and rotated": async (service) => {
    await rm(fileOf(service));
    await generateKeyFile(fileOf(service), service);
    await changeKeyFile(fileOf(service), service, (now) =>
      withNextVersion(now, { key: randomBytes(32).toString("base64") }, new Date()),
    );
  },
};

const CASES = SERVICES_WITH_DATA.flatMap((service, at) =>
  Object.keys(DAMAGE).map((damage) => ({
    ...{ service, damage },
    other: SERVICES_WITH_DATA[(at + 1) % SERVICES_WITH_DATA.length] as ServiceName,
  })),
);

test.each(CASES)(
  "threat: the key file of $service, $damage, is refused at the start, in words, and nothing is made",
  async ({ service, damage, other }) => {
    await DAMAGE[damage]?.(service, other);
    const before = await readFile(fileOf(service)).catch(() => null);
    const refused = await open(service).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KeysError);
    expect(String(refused)).toContain("npm run keys -- recover");
    expect(String(refused)).toContain(fileOf(service));
    expect(await readFile(fileOf(service)).catch(() => null)).toEqual(before);
    await expect(
      rotateServiceKey({ service, keysFile: fileOf(service), pool: database.pool(service) }, silent),
    ).rejects.toThrow(KeysError);
  },
);

test("threat: two key files that were exchanged are refused, each naming whose it is", async () => {
  const [files, records] = await Promise.all([readFile(fileOf("files")), readFile(fileOf("records"))]);
  await writeFile(fileOf("files"), records);
  await writeFile(fileOf("records"), files);
  await expect(open("files")).rejects.toThrow(
    /those of records, not those of files: were two files exchanged/,
  );
  await expect(open("records")).rejects.toThrow(/those of files, not those of records/);
});

test("threat: MEDVAULT_KEYS with other keys, or without a version, is refused at the start too", async () => {
  const pool = database.pool("files");
  const right = await readFile(fileOf("files"), "utf8");
  await openKeyring(pool, { service: "files", keysEnv: right });
  for (const wrong of [older.get("files"), right.replace(/"key": ".{10}/, '"key": "AAAAAAAAAA')])
    await expect(openKeyring(pool, { service: "files", keysEnv: wrong })).rejects.toThrow(
      /files from MEDVAULT_KEYS are not those of its tables: version/,
    );
});

test("threat: an installation of before keys were noted is looked at by what its keys open", async () => {
  const pool = database.pool("records");
  await pool.query("delete from service_keys");
  const right = await readFile(fileOf("records"));
  await DAMAGE["made again, and rotated"]?.("records", "files");
  await expect(open("records")).rejects.toThrow(/version 2 opens nothing of what lies under it/);
  await DAMAGE.older?.("records", "files");
  await expect(open("records")).rejects.toThrow(/version 2 is missing there/);
  expect((await pool.query("select from service_keys")).rowCount).toBe(0);
  await writeFile(fileOf("records"), right);
  await open("records");
  expect((await pool.query("select version from service_keys order by 1")).rows).toEqual([
    { version: 1 },
    { version: 2 },
  ]);
});

test("a key that one flipped bit shut, or put under a version that never was, stops no start", async () => {
  const pool = database.pool("files");
  const keyring = await open("files");
  for (let n = 0; n < 3; n += 1) await createSubjectKey(pool, keyring, randomUUID());
  await pool.query(
    `update subject_keys set wrapped = set_byte(wrapped, 5, 3)
      where subject_id = (select subject_id from subject_keys limit 1)`,
  );
  await open("files");
  await pool.query("delete from service_keys");
  await pool.query(
    `update subject_keys set wrapped = set_byte(set_byte(wrapped, 5, 2), 30, get_byte(wrapped, 30) # 1)
      where get_byte(wrapped, 5) = 3`,
  );
  await open("files");
  expect((await pool.query("select from service_keys where key_id is not null")).rowCount).toBe(2);
});

test("where nothing is new a start costs one statement", async () => {
  const pool = database.pool("files");
  const query = vi.spyOn(pool, "query");
  await open("files");
  expect(query).toHaveBeenCalledTimes(1);
  query.mockRestore();
});
