import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { newId } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  givenFile,
  givenPatient,
  makeBackup,
  restore,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";
import { RESTORED } from "./restore.ts";
import { FATES } from "./taken.testdata.ts";

let backup: TestBackup;
beforeEach(async () => {
  backup = await startBackup();
});
afterEach(() => backup?.stop());

test("threat: a table or column by which someone has access, or is kept from something, is forgotten by a restore", async () => {
  const { rows } = await backup.pool.query<{ table: string; columns: string[] }>(
    `select table_schema || '.' || table_name as table, array_agg(column_name::text order by column_name) as columns
       from information_schema.columns
      where table_schema = any($1) and table_name <> 'schema_migrations' group by 1 order by 1`,
    [RESTORED],
  );
  const told = "say in taken.testdata.ts what a restore does with it";
  expect(
    rows.map(({ table, columns }) => [table, columns]),
    told,
  ).toEqual(
    Object.entries(FATES)
      .map(([table, { columns }]) => [table, Object.keys(columns).sort()])
      .sort(),
  );
  const source = await readFile(new URL("./taken.store.ts", import.meta.url), "utf8");
  for (const [table, { rows: fate, columns }] of Object.entries(FATES)) {
    for (const one of [fate, ...Object.values(columns)]) {
      if ("again" in one) expect(source, table).toContain(`await ${one.again}(`);
    }
    // Whatever can be hidden is hidden again, and what is taken again can be set without the key.
    if ("hidden_at" in columns) expect(columns, table).toMatchObject({ hidden_at: { again: "hideAgain" } });
    const isSet = Object.values(columns).some((one) => "again" in one);
    expect("sealed_as" in columns, table).toBe(isSet);
  }
});

const links = async () => {
  const { rows } = await backup.records.query<{ id: string; user_id: string | null; sealed_as: unknown }>(
    "select id, user_id, sealed_as from patients",
  );
  return new Map(rows.map((row) => [row.id, row]));
};

/** As records does it: the row, and the note of it. */
async function link(patientId: string, userId: string | null): Promise<void> {
  await backup.records.query("update patients set user_id = $2 where id = $1", [patientId, userId]);
  await backup.records.query(
    `insert into account_links values ($1, $2, now())
     on conflict (patient_id) do update set user_id = excluded.user_id, changed_at = excluded.changed_at`,
    [patientId, userId],
  );
}

test("threat: a restore gives a moved account link back to whom it was taken from; who has it now loses it", async () => {
  const [moved, undone, swappedA, swappedB, stayed, made] = await Promise.all(
    Array.from({ length: 6 }, async () => (await givenPatient(backup, 0)).id),
  );
  const [first, second, third, fourth] = [newId(), newId(), newId(), newId()];
  await link(moved as string, first);
  await link(undone as string, second);
  await link(swappedA as string, third);
  await link(stayed as string, fourth);
  const { id } = await makeBackup(backup);
  const fifth = newId();
  await link(moved as string, fifth);
  await link(undone as string, null);
  await link(swappedA as string, null);
  await link(swappedB as string, third);
  const sixth = newId();
  await link(made as string, sixth);
  await drainedEvents(backup.pool);
  for (const again of [1, 2]) {
    expect((await restore(backup, id))?.state, String(again)).toBe("complete");
    const now = await links();
    expect(now.get(moved as string)).toMatchObject({ user_id: fifth, sealed_as: { user_id: first } });
    expect(now.get(undone as string)).toMatchObject({ user_id: null, sealed_as: { user_id: second } });
    expect(now.get(swappedA as string)).toMatchObject({ user_id: null, sealed_as: { user_id: third } });
    expect(now.get(swappedB as string)).toMatchObject({ user_id: third, sealed_as: { user_id: null } });
    expect(now.get(stayed as string)).toMatchObject({ user_id: fourth, sealed_as: null });
    expect(now.get(made as string)).toMatchObject({ user_id: sixth, sealed_as: { user_id: null } });
  }
  const restored = (await drainedEvents(backup.pool)).find(({ type }) => type.endsWith("backup.restored.v1"));
  expect(restored?.data.details).toMatchObject({ linksMoved: 5, hiddenAgain: 0, rowsErased: 0 });
});

test("a link that damage took is restored, also where the account was given another record meanwhile that is gone", async () => {
  const [kept, lost] = [await givenPatient(backup, 0), await givenPatient(backup, 0)];
  const [first, second] = [newId(), newId()];
  await link(kept.id, first);
  await backup.records.query("update patients set user_id = $2 where id = $1", [lost.id, second]);
  const { id } = await makeBackup(backup);
  await backup.records.query("delete from patients");
  const late = await givenPatient(backup, 0);
  await link(late.id, second);
  expect((await restore(backup, id))?.state).toBe("complete");
  const now = await links();
  expect(now.get(kept.id)).toMatchObject({ user_id: first, sealed_as: null });
  expect(now.get(lost.id)).toMatchObject({ user_id: second, sealed_as: null });
});

test("threat: a record that was hidden since the backup shows again after a restore", async () => {
  const patient = await givenPatient(backup, 0);
  const [hidden, shown] = [newId(), newId()];
  for (const id of [hidden, shown]) {
    await backup.records.query(
      `insert into medical_records (id, patient_id, author_id, version, occurred_at, created_at, updated_at, rev, open, sealed)
       values ($1, $2, $2, 1, now(), now(), now(), 1, '{}', $3)`,
      [id, patient.id, randomBytes(200)],
    );
  }
  const { id } = await makeBackup(backup);
  const at = new Date("2026-11-01T10:00:00.123Z");
  await backup.records.query("update medical_records set hidden_at = $2, rev = 2 where id = $1", [
    hidden,
    at,
  ]);
  await backup.records.query("insert into hides values ('medical_records', $1, $2)", [hidden, at]);
  expect((await restore(backup, id))?.state).toBe("complete");
  const { rows } = await backup.records.query(
    "select id, hidden_at, sealed_as, rev from medical_records order by id",
  );
  expect(rows).toEqual([
    { id: hidden, hidden_at: at, sealed_as: { hidden_at: null }, rev: 1 },
    { id: shown, hidden_at: null, sealed_as: null, rev: 1 },
  ]);
});

test("threat: the rows of a patient who was erased since the backup come back", async () => {
  const [erased, stays] = [await givenPatient(backup), await givenPatient(backup)];
  await givenFile(backup, erased.id);
  await givenFile(backup, stays.id);
  await backup.files.query(
    "insert into subject_keys (subject_id, wrapped) select * from unnest($1::uuid[], $2::bytea[])",
    [
      [erased.id, stays.id],
      [randomBytes(102), randomBytes(102)],
    ],
  );
  await backup.records.query("insert into fhir_sources values ($1, '\\x01')", [erased.id]);
  const { id } = await makeBackup(backup);
  for (const pool of [backup.records, backup.files]) {
    await pool.query("delete from subject_keys where subject_id = $1", [erased.id]);
    await pool.query("insert into shreds (subject_id, service_key_version) values ($1, 1)", [erased.id]);
  }
  expect((await restore(backup, id))?.state).toBe("complete");
  const whose = async (pool: typeof backup.records, sql: string) =>
    (await pool.query<{ of: string }>(sql)).rows.map((row) => row.of);
  expect(await whose(backup.records, "select id as of from patients")).toEqual([stays.id]);
  expect(await whose(backup.records, "select distinct patient_id as of from prescriptions")).toEqual([
    stays.id,
  ]);
  expect(await whose(backup.records, "select subject_id as of from fhir_sources")).toEqual([]);
  expect(await whose(backup.files, "select patient_id as of from files")).toEqual([stays.id]);
});

test("threat: charts that were made two again since the backup are one again after a restore, for who had the other", async () => {
  const ids = await Promise.all(Array.from({ length: 6 }, async () => (await givenPatient(backup, 0)).id));
  const [one, parted, stays, again, two, late] = ids as [string, string, string, string, string, string];
  const merge = async (from: string, into: string) => {
    await backup.records.query(
      `insert into patient_merges select id, $2, $2, now() from unnest(array[$1, $2]::uuid[]) as x (id)
       on conflict do nothing`,
      [from, into],
    );
    await backup.records.query("delete from patient_unmerges where from_id = $1 and into_id = $2", [
      from,
      into,
    ]);
  };
  const unmerge = async (from: string, into: string) => {
    await backup.records.query("delete from patient_merges where from_id = $1", [from]);
    await backup.records.query("insert into patient_unmerges values ($1, $2, now())", [from, into]);
  };
  for (const from of [parted, stays, again]) await merge(from, one);
  const { id } = await makeBackup(backup);
  await unmerge(parted, one);
  await unmerge(again, one);
  await merge(again, one);
  await merge(late, two);
  await drainedEvents(backup.pool);
  for (const time of [1, 2]) {
    expect((await restore(backup, id))?.state, String(time)).toBe("complete");
    const { rows } = await backup.records.query<{ from_id: string; into_id: string }>(
      "select from_id, into_id from patient_merges",
    );
    expect(new Set(rows.map((row) => `${row.from_id} ${row.into_id}`))).toEqual(
      new Set([one, stays, again].map((from) => `${from} ${one}`)),
    );
  }
  const restored = (await drainedEvents(backup.pool)).find(({ type }) => type.endsWith("backup.restored.v1"));
  expect(restored?.data.details).toMatchObject({ mergesEnded: 1 });
});

test("who came to a care team since the backup stays on it: a patient whose doctor changed has one", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const next = newId();
  await backup.records.query("delete from care_team where patient_id = $1", [patient.id]);
  await backup.records.query("insert into care_team_ends values ($1, $2, now())", [
    patient.id,
    patient.doctor,
  ]);
  await backup.records.query("insert into care_team values ($1, $2, $2, now())", [patient.id, next]);
  await givenPatient(backup); // whose record is gone after the restore, and the assignment with it
  expect((await restore(backup, id))?.state).toBe("complete");
  const { rows } = await backup.records.query("select patient_id, user_id from care_team");
  expect(rows).toEqual([{ patient_id: patient.id, user_id: next }]);
});

test("threat: what a patient closed or revoked since the backup is open again", async () => {
  const patient = await givenPatient(backup);
  const given = async (id: string, part: string | null, at: Date | null = null) =>
    backup.records.query(
      `insert into consents (id, patient_id, grantee, purpose, part_type, given_by, created_at, updated_at, hidden_at,
                             rev, open, sealed)
       values ($1, $2, $3, $4, $5, $3, now(), now(), $6, 1, '{}', 'x')`,
      [id, patient.id, patient.doctor, part === null ? "TREAT" : null, part, at],
    );
  const [kept, revoked, reopened] = [newId(), newId(), newId()];
  for (const id of [kept, revoked]) await given(id, null);
  await given(reopened, "claim");
  const { id } = await makeBackup(backup);
  const at = new Date("2026-11-01T00:00:00Z");
  for (const one of [revoked, reopened]) {
    await backup.records.query("update consents set hidden_at = $2 where id = $1", [one, at]);
    await backup.records.query("insert into hides values ('consents', $1, $2)", [one, at]);
  }
  const [closed, opened] = [newId(), newId()];
  await given(closed, "record");
  await given(opened, null);
  expect((await restore(backup, id))?.state).toBe("complete");
  const { rows } = await backup.records.query("select id, hidden_at from consents");
  const by = new Map(rows.map((row) => [row.id, row.hidden_at]));
  // What was opened since is not: a restore goes back to before it.
  expect(by).toEqual(
    new Map([
      [kept, null],
      [revoked, at],
      [reopened, at],
      [closed, null],
    ]),
  );
});
