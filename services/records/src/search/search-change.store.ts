import { type Db, withDeadline } from "@medvault/postgres";

/** Where a reading of the changes ended: what was visible to it, and of which tables. */
export interface Position {
  readonly snapshot: string;
  /** Others after a restore, which puts them under the same names, and on another timeline. */
  readonly tables: string;
}

export interface SearchChange {
  readonly patientId: string;
  /** The prescription; null: the patient, their chart, or their key. */
  readonly rowId: string | null;
}

export interface Reading extends Position {
  /** Changes since may have been pruned, or are more than are worth taking one by one. */
  readonly isTooOld: boolean;
  readonly changes: readonly SearchChange[];
}

/** Its own: many searches wait for one reading, and it is begun in the course of the first. */
const READ_MS = 2_000;
/** Beyond this, loading everything again is no more work, and holds less in memory. */
const MAX_CHANGES = 100_000;

// What a snapshot does not see is what began after it, or was under way in it. So a transaction
// that was held open and commits late is in the first reading after its commit, and in that alone.
// The upper bound takes nothing away: it lets the plan that is kept go by the index, however many
// changes there are. The names of tables are looked up when the statement runs, not when it is
// planned.
const READ = `
  select pg_current_snapshot()::text as snapshot,
         concat_ws(' ', to_regclass('patients')::oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)) as tables,
         pg_snapshot_xmax($1::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) or exists (select from search_horizons h
                  where h.noted_at < now() - interval '1 hour' and h.horizon > pg_snapshot_xmin($1::pg_snapshot)) as "isTooOld",
         array(select c.patient_id::text || coalesce('/' || c.row_id::text, '') from (
                 select patient_id, row_id from search_changes
                  where xid >= pg_snapshot_xmax($1::pg_snapshot) and xid < pg_snapshot_xmax(pg_current_snapshot())
                 union all
                 select patient_id, row_id from search_changes
                  where xid = any(array(select pg_snapshot_xip($1::pg_snapshot)))) c
                limit ${MAX_CHANGES + 1}) as changed`;

/** What committed since a reading; of the first one, null, nothing but where it ended. */
export async function readChanges(db: Db, since: Position | null): Promise<Reading> {
  type Row = Position & { isTooOld: boolean; changed: string[] };
  const { rows } = await withDeadline(READ_MS, () => db.query<Row>(READ, [since?.snapshot ?? null]));
  const [row] = rows;
  if (!row) throw new TypeError("a select without from has one row");
  const { snapshot, tables, isTooOld, changed } = row;
  const changes = [...new Set(changed)].map((change) => {
    const [patientId = "", rowId = null] = change.split("/");
    return { patientId, rowId };
  });
  return { snapshot, tables, isTooOld: isTooOld || changed.length > MAX_CHANGES, changes };
}
