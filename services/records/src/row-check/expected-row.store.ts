import { type Db, ddl, type Tx } from "@medvault/postgres";
import { type ExpectedRow, macOf, macOfRow, NEVER_AGAIN } from "./expected-row.ts";

/** How far the log was read. */
export interface Progress {
  readonly next: number;
  readonly isBased: boolean;
  /** When the log was last read from its beginning. */
  readonly fullAt: Date | null;
}

const macOfProgress = (key: Buffer, { next, isBased, fullAt }: Progress): Buffer =>
  macOf(key, "progress", next, isBased, fullAt?.toISOString() ?? null);

/** Null where there is none yet, or what there is was not written by us. */
export async function loadProgress(db: Db, key: Buffer): Promise<Progress | null> {
  const { rows } = await db.query<{ next: number; based: boolean; full_at: Date | null; mac: Buffer }>(
    "select next, based, full_at, mac from row_check",
  );
  const [row] = rows;
  if (!row) return null;
  const progress = { next: row.next, isBased: row.based, fullAt: row.full_at };
  return macOfProgress(key, progress).equals(row.mac) ? progress : null;
}

export async function saveProgress(tx: Tx, key: Buffer, progress: Progress): Promise<void> {
  await tx.query(
    `insert into row_check (next, based, full_at, mac) values ($1, $2, $3, $4)
     on conflict (only_one) do update
        set next = excluded.next, based = excluded.based, full_at = excluded.full_at, mac = excluded.mac`,
    [progress.next, progress.isBased, progress.fullAt, macOfProgress(key, progress)],
  );
}

/**
 * Takes in what rows were left as. The highest revision counts, and of one revision that the row is
 * gone: the log may have two writes the other way round. `isExact`: this is how it is now.
 */
export async function expect(
  tx: Tx,
  key: Buffer,
  rows: readonly ExpectedRow[],
  isExact = false,
): Promise<void> {
  const last = new Map<string, ExpectedRow>();
  for (const row of rows) {
    const at = `${row.kind} ${row.id}`;
    const known = last.get(at);
    if (!known || isExact || isLater(row, known)) last.set(at, row);
  }
  if (last.size === 0) return;
  const all = [...last.values()];
  await tx.query(
    `insert into expected_rows as e (kind, id, patient_id, of_row, rev, sha256, mac)
     select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::bytea[], $7::bytea[])
     on conflict (kind, id) do update
        set patient_id = excluded.patient_id, of_row = excluded.of_row, rev = excluded.rev,
            sha256 = excluded.sha256, mac = excluded.mac
      where ($8 and e.mac <> excluded.mac) or (excluded.rev, excluded.sha256 is null) > (e.rev, e.sha256 is null)`,
    [
      all.map(({ kind }) => kind),
      all.map(({ id }) => id),
      all.map(({ patientId }) => patientId),
      all.map(({ ofRow }) => ofRow),
      all.map(({ rev }) => rev),
      all.map(({ sha256 }) => sha256 && Buffer.from(sha256, "hex")),
      all.map((row) => macOfRow(key, row)),
      isExact,
    ],
  );
}

const isLater = (row: ExpectedRow, known: ExpectedRow): boolean =>
  row.rev > known.rev || (row.rev === known.rev && row.sha256 === null);

/** The versions of a row that was deleted are gone with it. */
export async function forgetVersions(tx: Tx, rowId: string): Promise<void> {
  await tx.query("delete from expected_rows where of_row = $1", [rowId]);
}

/** All of these patients is gone, and never comes again. */
export async function forgetPatients(tx: Tx, key: Buffer, patientIds: readonly string[]): Promise<void> {
  await tx.query("delete from expected_rows where patient_id = any($1::uuid[])", [patientIds]);
  const gone = patientIds.map((id) => ({
    ...{ kind: "patient", id, patientId: id, ofRow: null, rev: NEVER_AGAIN, sha256: null },
  }));
  await expect(tx, key, gone, true);
}

/** One row beside what is expected of it; either may be missing. */
export interface Pair {
  readonly id: string;
  readonly patientId: string | null;
  readonly expected: ExpectedRow | null;
  /** The expectation was not written by us. */
  readonly isForged: boolean;
  readonly found: { readonly rev: number; readonly sha256: string } | null;
}

/** A table whose rows the log knows, by the noun that events have for one. */
export interface CheckedTable {
  readonly kind: string;
  readonly table: string;
  /** The column that says whose a row is. */
  readonly subject: string;
}

interface PairRow {
  id: string;
  patient_id: string | null;
  of_row: string | null;
  rev: number | null;
  sha256: Buffer | null;
  mac: Buffer | null;
  subject: string | null;
  found_rev: number | null;
  found_sha256: Buffer | null;
}

const COLUMNS = `e.patient_id, e.of_row, e.rev, e.sha256, e.mac, r.%I as subject, r.rev as found_rev,
       sha256(r.sealed) as found_sha256`;

/** What is expected of a table, and what is there: after `after`, in order of ids. */
export async function expectedPage(
  db: Db,
  key: Buffer,
  { kind, table, subject }: CheckedTable,
  after: string,
  limit: number,
): Promise<Pair[]> {
  const { rows } = await db.query<PairRow>(
    ddl(
      `select e.id, ${COLUMNS}
         from (select * from expected_rows where kind = $1 and id > $2 order by id limit $3) e
         left join %I r on r.id = e.id
        order by e.id`,
      subject,
      table,
    ),
    [kind, after, limit],
  );
  return rows.map((row) => pairOf(key, kind, row));
}

/** The ids of a table after `after`, in order; `isExpected`: the log knows of it. */
export async function rowPage(
  db: Db,
  { kind, table }: CheckedTable,
  after: string,
  limit: number,
): Promise<{ id: string; isExpected: boolean }[]> {
  const { rows } = await db.query<{ id: string; isExpected: boolean }>(
    ddl(
      `select r.id, e.id is not null as "isExpected"
         from (select id from %I where id > $2 order by id limit $3) r
         left join expected_rows e on e.kind = $1 and e.id = r.id
        order by r.id`,
      table,
    ),
    [kind, after, limit],
  );
  return rows;
}

/** These rows and what is expected of them, as of one moment. */
export async function pairsOf(
  db: Db,
  key: Buffer,
  { kind, table, subject }: CheckedTable,
  ids: readonly string[],
): Promise<Pair[]> {
  const { rows } = await db.query<PairRow>(
    ddl(
      `select i.id, ${COLUMNS}
         from unnest($2::uuid[]) as i (id)
         left join expected_rows e on e.kind = $1 and e.id = i.id
         left join %I r on r.id = i.id`,
      subject,
      table,
    ),
    [kind, ids],
  );
  return rows.map((row) => pairOf(key, kind, row));
}

function pairOf(key: Buffer, kind: string, row: PairRow): Pair {
  const { id, rev } = row;
  const expected =
    rev === null
      ? null
      : {
          ...{ kind, id, rev, patientId: row.patient_id, ofRow: row.of_row },
          sha256: row.sha256?.toString("hex") ?? null,
        };
  const isOurs = expected === null || macOfRow(key, expected).equals(row.mac ?? Buffer.alloc(0));
  const found =
    row.found_rev === null || row.found_sha256 === null
      ? null
      : { rev: row.found_rev, sha256: row.found_sha256.toString("hex") };
  const patientId = row.subject ?? row.patient_id;
  return { id, patientId, expected: isOurs ? expected : null, isForged: !isOurs, found };
}

/** Takes away what was not written by us. */
export async function dropForged(db: Db, kind: string, ids: readonly string[]): Promise<void> {
  await db.query("delete from expected_rows where kind = $1 and id = any($2::uuid[])", [kind, ids]);
}

/** Which of these boxes the log knows of another row: what was put in the place of one. */
export async function knownBoxes(db: Db, sha256: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ sha256: Buffer }>(
    "select sha256 from expected_rows where sha256 = any($1::bytea[])",
    [sha256.map((one) => Buffer.from(one, "hex"))],
  );
  return new Set(rows.map((row) => row.sha256.toString("hex")));
}
