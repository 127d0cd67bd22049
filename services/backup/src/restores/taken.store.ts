import { type Db, ddl, sysSchemaOf } from "@medvault/postgres";
import { RESTORED, type RestoredService, schemasOf } from "./restore.ts";
import { exists, nameOf, tablesOf } from "./schema.store.ts";

// What was taken from someone since the backup is taken again, in the built schemas, before
// anything of them opens. Records notes each kind in records_sys, which no restore rewinds; what
// was given since by the same act is kept, where the live tables still say so. `taken.test.ts`
// holds every table and column of the schemas against this.

/** Takes all of it again in the schemas of restore `n`, once its keys are back. Gives counts. */
export async function takeAgain(db: Db, n: number): Promise<Record<string, number>> {
  const { scratch } = schemasOf("records", n);
  let rowsErased = 0;
  for (const service of RESTORED) rowsErased += await leaveOutErased(db, service, n);
  const assignmentsEnded = await endAssignments(db, scratch);
  const assignmentsKept = await keepAssignments(db, scratch);
  const mergesEnded = await endMerges(db, scratch);
  const linksMoved = await moveLinks(db, scratch);
  const holdsKept = await keepHolds(db, scratch);
  return {
    rowsErased,
    holdsKept,
    assignmentsEnded,
    assignmentsKept,
    mergesEnded,
    linksMoved,
    partsKeptClosed: await keepClosed(db, scratch),
    hiddenAgain: await hideAgain(db, scratch),
  };
}

/**
 * Anyone who left a care team since the backup does not come back by it: an assignment that was
 * made again after its last end, and is there now, stays. Where the live table is lost, nothing is
 * known of new assignments, and every end holds.
 */
async function endAssignments(db: Db, scratch: string): Promise<number> {
  const statement = (await exists(db, nameOf("records", "care_team")))
    ? `delete from %I.care_team c
        using records_sys.care_team_ends e
        where e.patient_id = c.patient_id and e.user_id = c.user_id and e.ended_at >= c.added_at
          and not exists (select from records.care_team l
                           where l.patient_id = c.patient_id and l.user_id = c.user_id
                             and l.added_at >= e.ended_at)`
    : `delete from %I.care_team c
        using records_sys.care_team_ends e
        where e.patient_id = c.patient_id and e.user_id = c.user_id and e.ended_at >= c.added_at`;
  return (await db.query(ddl(statement, scratch))).rowCount ?? 0;
}

/**
 * Who came to a care team since stays on it, if the patient is there: one whose doctor changed
 * since the backup is not left without any.
 */
async function keepAssignments(db: Db, scratch: string): Promise<number> {
  if (!(await exists(db, nameOf("records", "care_team")))) return 0;
  const { rowCount } = await db.query(
    ddl(
      `insert into %I.care_team (patient_id, user_id, added_by, added_at)
       select l.patient_id, l.user_id, l.added_by, l.added_at
         from records.care_team l join %I.patients p on p.id = l.patient_id
       on conflict do nothing`,
      scratch,
      scratch,
    ),
  );
  return rowCount ?? 0;
}

/**
 * Charts that were made two again since the backup stay two: who reached one by the other does not
 * come back by it. A later merge of them has taken its note away.
 */
async function endMerges(db: Db, scratch: string): Promise<number> {
  const statement = `delete from %I.patient_merges m
        using records_sys.patient_unmerges e
        where e.from_id = m.from_id and e.into_id = m.into_id`;
  return (await db.query(ddl(statement, scratch))).rowCount ?? 0;
}

/**
 * Whose account a patient's record is stays as it is now: who lost it does not get it back, who has
 * it keeps it. An account that has another record by now loses the one of the backup. The box stays
 * bound to what it was sealed with, in `sealed_as`.
 */
async function moveLinks(db: Db, scratch: string): Promise<number> {
  const { rows } = await db.query<{ id: string }>(
    ddl(
      `update %I.patients p
          set sealed_as = jsonb_build_object('user_id', p.user_id) || coalesce(p.sealed_as, '{}'), user_id = null
        where exists (select from records_sys.account_links l
                       where l.patient_id = p.id and l.user_id is distinct from p.user_id)
           or exists (select from records_sys.account_links l join %I.patients other on other.id = l.patient_id
                       where l.user_id = p.user_id and l.patient_id <> p.id)
       returning p.id`,
      scratch,
      scratch,
    ),
  );
  await db.query(
    ddl(
      `update %I.patients p set user_id = l.user_id
         from (select distinct on (user_id) patient_id, user_id from records_sys.account_links
                where user_id is not null order by user_id, changed_at desc) l
        where l.patient_id = p.id and p.id = any($1::uuid[])`,
      scratch,
    ),
    [rows.map(({ id }) => id)],
  );
  return rows.length;
}

/**
 * What a patient closed to someone since the backup stays closed, if the patient is there. Where
 * the live table is lost, nothing is known of it.
 */
async function keepClosed(db: Db, scratch: string): Promise<number> {
  if (!(await exists(db, nameOf("records", "consents")))) return 0;
  const { rowCount } = await db.query(
    ddl(
      `insert into %I.consents
       select l.* from records.consents l join %I.patients p on p.id = l.patient_id
        where l.part_type is not null and l.hidden_at is null
       on conflict do nothing`,
      scratch,
      scratch,
    ),
  );
  return rowCount ?? 0;
}

/**
 * Who was put on legal hold since stays on it, if the patient is there; a hold that was lifted
 * since comes back with its patient, to be lifted again.
 */
async function keepHolds(db: Db, scratch: string): Promise<number> {
  if (!(await exists(db, nameOf("records", "legal_holds")))) return 0;
  const { rowCount } = await db.query(
    ddl(
      `insert into %I.legal_holds
       select l.* from records.legal_holds l join %I.patients p on p.id = l.patient_id
       on conflict do nothing`,
      scratch,
      scratch,
    ),
  );
  return rowCount ?? 0;
}

/** What was hidden since the backup stays hidden, of whatever table. */
async function hideAgain(db: Db, scratch: string): Promise<number> {
  const { rows } = await db.query<{ table: string }>(
    "select distinct table_name as table from records_sys.hides",
  );
  const tables = await tablesOf(db, scratch);
  let hidden = 0;
  for (const { table } of rows.filter((row) => tables.includes(row.table))) {
    const { rowCount } = await db.query(
      ddl(
        `update %I.%I r
            set sealed_as = jsonb_build_object('hidden_at', r.hidden_at) || coalesce(r.sealed_as, '{}'),
                hidden_at = h.hidden_at
           from records_sys.hides h
          where h.table_name = $1 and h.row_id = r.id and r.hidden_at is null`,
        scratch,
        table,
      ),
      [table],
    );
    hidden += rowCount ?? 0;
  }
  return hidden;
}

/**
 * The rows of shredded subjects do not come back: without their key nothing of them opens, but
 * their ids and tokens would be there again. Nor do those of who is in the ledger of erasures,
 * whether or not the service has done its part yet. Asked once the missing keys are back.
 */
async function leaveOutErased(db: Db, service: RestoredService, n: number): Promise<number> {
  const { scratch } = schemasOf(service, n);
  const sysSchema = sysSchemaOf(service);
  let rows = 0;
  for (const [table, column] of SUBJECTS[service]) {
    const { rowCount } = await db.query(
      ddl(
        `delete from %I.%I t
          where t.%I in (select s.subject_id from %I.shreds s
                          where not exists (select from %I.subject_keys k where k.subject_id = s.subject_id)
                         union all select unnest(e.patient_ids) from records_sys.erasure_ledger e)`,
        scratch,
        table,
        column,
        sysSchema,
        sysSchema,
      ),
    );
    rows += rowCount ?? 0;
  }
  return rows;
}

/** The tables that say whose their rows are; all others go with their patient. */
const SUBJECTS: Readonly<Record<RestoredService, readonly (readonly [table: string, column: string])[]>> = {
  records: [
    ["patients", "id"],
    ["fhir_resources", "subject_id"],
    ["fhir_sources", "subject_id"],
  ],
  files: [["files", "patient_id"]],
};
