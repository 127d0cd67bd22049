import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inTransaction } from "@medvault/postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { givenDatabase, givenFolder, readOne, storeMany } from "../../test/harness.ts";
import { KeyVersionDestroyed } from "../errors.ts";
import { Keyring, openKeyring } from "../keyring/keyring.ts";
import { createSubjectKey, findSubjectKeys } from "../keyring/subject-keys.ts";
import { generateKeyFile } from "../operations/generate.ts";
import { envKeyProvider } from "../providers/env-provider.ts";
import { changeKeyFile, readKeyFile } from "../providers/key-file.ts";
import { withNextVersion } from "../providers/key-versions.ts";
import { newKeyFor } from "../providers/new-key.ts";
import { runFinalRotation } from "./final-rotation.jobs.ts";
import { heldUpBy, takeLease } from "./final-rotation.store.ts";
import { type FinalRotationOptions, makeShredsFinal } from "./final-rotation.ts";
import { shred } from "./shred.ts";

const HOUR_MS = 3_600_000;
const database = await givenDatabase("records");
const pool = database.pool("records");
let keysFile: string;
beforeEach(async () => {
  keysFile = join(await givenFolder(), "records.json");
  await generateKeyFile(keysFile, "records");
});
afterEach(async () => {
  for (const table of [
    "subject_keys",
    "keys",
    "service_keys",
    "service_key_versions",
    "fhir_resources",
    "shreds",
    "outbox",
  ])
    await pool.query("delete from ".concat(table));
  await pool.query(
    `update final_rotation set lease_owner = null, lease_until = null, active_version = null, held_up_by = null,
                               overdue_told_at = null`,
  );
});

const keyringOf = (): Promise<Keyring> => openKeyring(pool, { service: "records", keysFile });
const inHours = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);
const states = () => readKeyFile(keysFile, "records").document.versions.map(({ state }) => state);
const shredOne = (id: string) => inTransaction(pool, (tx) => shred(tx, id));

async function optionsOf(
  hours: number,
  more: Partial<FinalRotationOptions> = {},
): Promise<FinalRotationOptions> {
  return {
    pool,
    keyring: await keyringOf(),
    keysFile,
    owner: randomUUID(),
    afterMs: 12 * HOUR_MS,
    pausePerWork: 0,
    now: () => inHours(hours),
    countOutside: async () => 0,
    audit: (verb, subjects) => async (tx, details) => {
      await tx.query(
        "insert into outbox (id, audience, type, event) values (gen_random_uuid(), 'audit', $1, $2)",
        [`keys.${verb}`, JSON.stringify({ ...details, ...(subjects && { subjects }) })],
      );
    },
    ...more,
  };
}
const run = async (hours: number, more: Partial<FinalRotationOptions> = {}) =>
  makeShredsFinal(await optionsOf(hours, more));

async function events(): Promise<string[]> {
  const { rows } = await pool.query<{ type: string }>("select type from outbox order by position");
  return rows.map(({ type }) => type);
}

async function givenShredded() {
  const keyring = await keyringOf();
  const [erased = "", survivor = ""] = [randomUUID(), randomUUID()];
  const rows = await storeMany(pool, keyring, [erased, survivor]);
  const dumped = (await findSubjectKeys(pool, [erased])).get(erased) ?? Buffer.alloc(0);
  expect(await shredOne(erased)).toBe(true);
  return { erased, survivor, dumped, row: rows[1]?.id ?? "" };
}

test("a shred becomes final by itself within its time: rotated, rewrapped, retired, destroyed, each in the log", async () => {
  const { erased, dumped, row } = await givenShredded();
  expect(await run(11.9)).toEqual({ state: "nothing to do" });
  expect(states()).toEqual(["active"]);
  expect(await run(12.1, { graceMs: HOUR_MS * 20 })).toEqual({ state: "waiting", reason: "grace" });
  expect(states()).toEqual(["retired", "active"]);
  const running = await keyringOf();
  expect(running.subjectKey(dumped, erased).key).toHaveLength(32);
  expect(await run(12.2)).toEqual({ state: "done" });
  expect(states()).toEqual(["destroyed", "active"]);
  expect(await events()).toEqual([
    ...["keys.rotate", "keys.rewrap", "keys.retire", "keys.destroy", "keys.shred-final"],
  ]);
  running.refresh(); // as each process does once a minute
  for (const keyring of [running, await keyringOf()])
    expect(() => keyring.subjectKey(dumped, erased)).toThrow(KeyVersionDestroyed);
  expect((await readOne(pool, running, row))?.value.id).toBe(row);
  expect(await run(40)).toEqual({ state: "nothing to do" });
  expect(states()).toHaveLength(2);
});

test("one rotation serves all shreds of its window, and those that come after it wait for the next", async () => {
  const [a, b, late] = [await givenShredded(), await givenShredded(), await givenShredded()];
  await pool.query("update shreds set shredded_at = now() - interval '13 hours' where subject_id = $1", [
    a.erased,
  ]);
  await run(0, { graceMs: HOUR_MS });
  expect(await shredOne(late.survivor)).toBe(true);
  expect(await run(2)).toEqual({ state: "done" });
  const { rows } = await pool.query<{ subject_id: string; final: boolean }>(
    "select subject_id, final_at is not null as final from shreds",
  );
  const isFinal = new Map(rows.map((found) => [found.subject_id, found.final]));
  expect([a, b].map(({ erased }) => isFinal.get(erased))).toEqual([true, true]);
  expect(isFinal.get(late.survivor)).toBe(false);
  expect(states()).toEqual(["destroyed", "active"]);
  expect(await run(14)).toEqual({ state: "done" });
  expect(states()).toEqual(["destroyed", "destroyed", "active"]);
});

test("keys outside the tables hold the version, until they need it no more", async () => {
  const { erased, dumped } = await givenShredded();
  let left = 3;
  const countOutside = async () => left;
  expect(await run(13, { graceMs: 0, countOutside })).toEqual({
    state: "waiting",
    reason: "backups_need_version",
  });
  expect(await heldUpBy(pool)).toBe("backups_need_version");
  expect((await keyringOf()).subjectKey(dumped, erased).key).toHaveLength(32);
  left = 0;
  expect(await run(13, { graceMs: 0, countOutside })).toEqual({ state: "done" });
  expect(await heldUpBy(pool)).toBeNull();
});

test("of two replicas exactly one works, and the other loads what it made and forgets what it destroyed", async () => {
  const { erased, dumped, row } = await givenShredded();
  const graceMs = 13.5 * HOUR_MS; // the database's clock closes the version, and it stands at zero hours
  const replicas = [await optionsOf(13, { graceMs }), await optionsOf(13, { graceMs })];
  for (const { keyring } of replicas) expect(keyring.subjectKey(dumped, erased).key).toHaveLength(32);
  const first = await Promise.all(replicas.map((replica) => makeShredsFinal(replica)));
  // One that comes once the other is through finds it all done, and waits as well.
  expect(["elsewhere waiting", "waiting waiting"]).toContain(
    first
      .map(({ state }) => state)
      .sort()
      .join(" "),
  );
  await Promise.all(replicas.map((replica) => makeShredsFinal({ ...replica, now: () => inHours(14) })));
  expect(states()).toEqual(["destroyed", "active"]);
  expect((await events()).filter((type) => type === "keys.rotate")).toHaveLength(1);
  for (const { keyring } of replicas) {
    keyring.refresh();
    expect(keyring.provider.versions().map(({ state }) => state)).toEqual(["destroyed", "active"]);
    expect(() => keyring.provider.key(1)).toThrow(KeyVersionDestroyed);
    expect(() => keyring.subjectKey(dumped, erased)).toThrow(KeyVersionDestroyed);
    expect((await readOne(pool, keyring, row))?.value.id).toBe(row);
  }
});

test("threat: a replica whose lease was taken over while it slept changes nothing more", async () => {
  await givenShredded();
  const stalled = await optionsOf(13);
  const audit: FinalRotationOptions["audit"] = (verb) => async (tx, details) => {
    await stalled.audit(verb)(tx, details);
    if (verb !== "rewrap") return;
    // Its lease ran out meanwhile, and another took over before it could commit the next step.
    await tx.query("update final_rotation set fence = fence + 1, lease_owner = 'another'");
  };
  expect(await makeShredsFinal({ ...stalled, graceMs: 0, audit })).toEqual({ state: "elsewhere" });
  expect(states()).toEqual(["retired", "active"]);
  expect(await events()).toEqual(["keys.rotate", "keys.rewrap"]);
  expect(await takeLease(pool, "third")).toBeNull();
});

const STEPS = ["rotate", "rewrap", "retire", "destroy", "shred-final"];
const KILLS = STEPS.flatMap((verb) => ["before", "after"].map((when) => [when, verb] as const)).slice(0, -1);

test.each(KILLS)(
  "killed just %s the commit of %s, the next run ends what was begun, and the log has each step once",
  async (when, verb) => {
    const { erased, dumped, row } = await givenShredded();
    await pool.query("update final_rotation set active_version = 1");
    const script = fileURLToPath(new URL("../../test/final-rotation-process.ts", import.meta.url));
    const args = [script, database.url("records"), keysFile, `${when}:${verb}`, inHours(13).toISOString()];
    const child = spawn(process.execPath, args, { env: {}, stdio: ["ignore", "ignore", "inherit"] });
    expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
    expect(await run(13, { graceMs: 0 })).toEqual({ state: "elsewhere" }); // its lease has not run out
    await pool.query("update final_rotation set lease_until = now() - interval '1 second'");
    expect(await run(13, { graceMs: 0 })).toEqual({ state: "done" });
    expect(states()).toEqual(["destroyed", "active"]);
    expect(await events()).toEqual(STEPS.map((name) => `keys.${name}`));
    const today = await keyringOf();
    expect(() => today.subjectKey(dumped, erased)).toThrow(KeyVersionDestroyed);
    expect((await readOne(pool, today, row))?.value.id).toBe(row);
  },
  20_000,
);

test("keys that cannot be written hold the rotation up: said in the log once a day when it is overdue, and nothing changes", async () => {
  const { erased } = await givenShredded();
  const env = new Keyring("records", envKeyProvider(await readFile(keysFile, "utf8"), "records"));
  const outcome = { state: "held up", reason: "keys_not_writable" };
  expect(await run(13, { keyring: env, keysFile: null })).toEqual(outcome);
  expect(await events()).toEqual([]);
  expect(await run(25, { keyring: env, keysFile: null })).toEqual(outcome);
  expect(await run(26, { keyring: env, keysFile: null })).toEqual(outcome);
  expect(await events()).toEqual(["keys.overdue"]);
  expect(await run(50, { keyring: env, keysFile: null })).toEqual(outcome);
  expect(await events()).toEqual(["keys.overdue", "keys.overdue"]);
  expect(await heldUpBy(pool)).toBe("keys_not_writable");
  // The operator gave every process a new value; wrapped and destroyed by command near the file.
  const { versions } = readKeyFile(keysFile, "records").document;
  const createdAt = versions[0]?.createdAt;
  const renewed = JSON.stringify({
    service: "records",
    versions: [
      { version: 1, state: "destroyed", createdAt },
      { version: 2, state: "active", key: Buffer.alloc(32, 1).toString("base64"), createdAt },
    ],
  });
  const after = new Keyring("records", envKeyProvider(renewed, "records"));
  expect(await run(51, { keyring: after, keysFile: null })).toEqual({ state: "done" });
  const { rows } = await pool.query("select from shreds where subject_id = $1 and final_at is null", [
    erased,
  ]);
  expect(rows).toEqual([]);
});

test.each(["EACCES", "EROFS"])(
  "a key file that cannot be replaced (%s) holds the rotation up",
  async (code) => {
    await givenShredded();
    const audit = () => () => Promise.reject(Object.assign(new Error("not writable"), { code }));
    expect(await run(13, { audit })).toEqual({ state: "held up", reason: "keys_not_writable" });
    expect(states()).toEqual(["active"]);
    expect(await heldUpBy(pool)).toBe("keys_not_writable");
  },
);

test.each([
  ["under the old version", 1],
  ["made to look as if it were under the new one", 2],
])(
  "a key that does not open, %s, holds the rotation up before anything is closed or destroyed",
  async (_, version) => {
    const { survivor, erased, dumped } = await givenShredded();
    await keyringOf(); // as at the start of the process
    await pool.query(
      `update subject_keys set wrapped = set_byte(set_byte(wrapped, 90, get_byte(wrapped, 90) # 1), 5, $2)
      where subject_id = $1`,
      [survivor, version],
    );
    expect(await run(13, { graceMs: 0 })).toEqual({ state: "held up", reason: "keys_do_not_open" });
    expect((await pool.query("select from service_key_versions")).rowCount).toBe(0);
    expect((await keyringOf()).subjectKey(dumped, erased).key).toHaveLength(32);
  },
);

test("a rotation that was done by hand and is in no log is put into it, and is not done again", async () => {
  await givenShredded();
  await pool.query("update final_rotation set active_version = 1");
  await changeKeyFile(keysFile, "records", async (document) =>
    withNextVersion(document, await newKeyFor(document), new Date()),
  );
  expect(await run(13, { graceMs: 0 })).toEqual({ state: "done" });
  expect(states()).toEqual(["destroyed", "active"]);
  expect((await events())[0]).toBe("keys.rotate");
});

test("a subject without a key is noted as shredded too, and one shredded twice stays final when nothing new opens", async () => {
  const { erased } = await givenShredded();
  await run(13, { graceMs: 0 });
  expect(await shredOne(erased)).toBe(false);
  expect(await run(40, { graceMs: 0 })).toEqual({ state: "nothing to do" });
  const unknown = randomUUID();
  await createSubjectKey(pool, await keyringOf(), randomUUID());
  expect(await shredOne(unknown)).toBe(false);
  expect(await run(40, { graceMs: 0 })).toEqual({ state: "done" });
  expect(states()).toEqual(["destroyed", "destroyed", "active"]);
});

test("a round of a process logs what came of it, and a stopped one changes nothing", async () => {
  await givenShredded();
  const logged: string[] = [];
  const logger = {
    info: (_details: object, message: string) => void logged.push(message),
    warn: (_details: object, message: string) => void logged.push(message),
  };
  const round = async (hours: number, afterHours: number | "off", signal?: AbortSignal) => {
    const more = { graceMs: 0, ...(signal && { signal }) };
    const { owner: _owner, ...options } = await optionsOf(hours, more);
    return runFinalRotation({ ...options, afterHours, logger });
  };
  expect(await round(25, "off")).toEqual({ state: "held up", reason: "switched_off" });
  await expect(round(13, 12, AbortSignal.abort(new Error("stopped")))).rejects.toThrow("stopped");
  expect(await round(13, 12)).toEqual({ state: "done" });
  expect(states().at(-1)).toBe("active");
  expect(await round(13, 12)).toEqual({ state: "nothing to do" });
  expect(logged).toEqual(["shreds cannot be made final", "shreds are final"]);
});
