import { type Db, PLANNED_EACH_TIME, type Tx } from "@medvault/postgres";
import { chartIds } from "../access/reach.ts";
import type { DueWindow, ReminderKind, ReminderState } from "./reminder.ts";

/** A reminder, and what its row says now. */
export interface FoundReminder {
  readonly id: string;
  readonly rowId: string;
  readonly due: Date;
  readonly state: ReminderState;
  /** Whether the row is as it was noted; null: it is gone. */
  readonly stands: boolean | null;
  readonly patientId: string | null;
  /** The account of the patient, or of their merged chart; null: there is none. */
  readonly userId: string | null;
}

interface Kind {
  readonly table: string;
  /** Of a row `p`: when it is due, and whether there is anything to be reminded of. */
  readonly due: string;
  readonly stands: string;
  /** By which rows are read in the order of `due`, and its type. */
  readonly column: string;
  readonly type: string;
}

const KINDS: Readonly<Record<ReminderKind, Kind>> = {
  prescription: {
    table: "prescriptions",
    due: "p.end_date::timestamp at time zone 'UTC'",
    stands: "p.status = 'active' and p.end_date is not null",
    column: "p.end_date",
    type: "date",
  },
  appointment: {
    table: "appointments",
    due: "p.starts_at",
    stands: "p.status = 'booked'",
    column: "p.starts_at",
    type: "timestamptz",
  },
};

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/**
 * Notes rows that were written long before and are due by now, in the order in which they are due,
 * from where the last call stopped; at most `limit`. How many were read.
 */
export async function collectDue(
  tx: Tx,
  kind: ReminderKind,
  { from, before }: DueWindow,
  limit: number,
): Promise<number> {
  const { table, due, stands, column, type } = KINDS[kind];
  const { rows: cursors } = await tx.query<{ due: Date; row_id: string }>(
    "select due, row_id from reminder_cursors where kind = $1 for update",
    [kind],
  );
  const [cursor] = cursors;
  const start = cursor && cursor.due >= from ? cursor : { due: from, row_id: FIRST_ID };
  const { rows } = await tx.query<{ due: Date; row_id: string }>(
    `${PLANNED_EACH_TIME} with found as (
       select p.id as row_id, ${due} as due from ${table} p
        where ${stands} and (${column}, p.id) > (${asType(1, type)}, $2::uuid) and ${column} < ${asType(3, type)}
        order by ${column}, p.id limit $4),
     noted as (insert into reminders (row_id, due, kind) select row_id, due, '${kind}' from found on conflict do nothing)
     select due, row_id from found order by due, row_id`,
    [start.due, start.row_id, before, limit],
  );
  const last = rows.at(-1);
  if (last) {
    await tx.query(
      `insert into reminder_cursors (kind, due, row_id) values ($1, $2, $3)
         on conflict (kind) do update set due = excluded.due, row_id = excluded.row_id`,
      [kind, last.due, last.row_id],
    );
  }
  return rows.length;
}

/** A parameter, which is an instant, as a column's type has it. */
const asType = (at: number, type: string): string =>
  type === "date" ? `($${at}::timestamptz at time zone 'UTC')::date` : `$${at}::timestamptz`;

const found = (kind: ReminderKind, chosen: string): string => {
  const { table, due, stands } = KINDS[kind];
  return `${PLANNED_EACH_TIME} with chosen as (select row_id, due, id, state from reminders where ${chosen} for update skip locked)
    select c.id, c.row_id as "rowId", c.due, c.state, p.patient_id as "patientId",
           case when p.id is not null then coalesce(${stands} and ${due} = c.due, false) end as stands,
           (select u.user_id from patients u where u.id = any(${chartIds("p.patient_id")}) and u.user_id is not null
             order by u.id = p.patient_id desc, u.id limit 1) as "userId"
      from chosen c left join ${table} p on p.id = c.row_id
     order by c.due, c.row_id`;
};

/** What waits and is due, locked; what another process has in hand is left to it. */
export async function takeDue(
  tx: Tx,
  kind: ReminderKind,
  { from, before }: DueWindow,
  limit: number,
): Promise<FoundReminder[]> {
  const chosen = `kind = '${kind}' and state = 'waiting' and due >= $1 and due < $2 order by due, row_id limit $3`;
  const { rows } = await tx.query<FoundReminder>(found(kind, chosen), [from, before, limit]);
  return rows;
}

/** Those whose rows were changed since, locked. */
export async function takeChanged(tx: Tx, kind: ReminderKind, limit: number): Promise<FoundReminder[]> {
  const chosen = `kind = '${kind}' and recheck order by row_id limit $1`;
  const { rows } = await tx.query<FoundReminder>(found(kind, chosen), [limit]);
  return rows;
}

/** Stores what became of reminders that were looked at; `gone` ones are deleted. */
export async function saveStates(
  tx: Tx,
  looked: readonly { id: string; rowId: string; state: ReminderState | "gone" }[],
): Promise<void> {
  await tx.query(
    `with looked as (select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as l (row_id, id, state)),
          gone as (delete from reminders r using looked l
                    where l.state = 'gone' and r.row_id = l.row_id and r.id = l.id)
     update reminders r set state = l.state, recheck = false
       from looked l where l.state <> 'gone' and r.row_id = l.row_id and r.id = l.id`,
    [looked.map((one) => one.rowId), looked.map((one) => one.id), looked.map((one) => one.state)],
  );
}

/** Deletes what was due before a moment; at most `limit`. How many. */
export async function deleteDue(tx: Tx, before: Date, limit: number): Promise<number> {
  const { rowCount } = await tx.query(
    `${PLANNED_EACH_TIME} delete from reminders
      where (row_id, due) in (select row_id, due from reminders where due < $1 order by due limit $2)`,
    [before, limit],
  );
  return rowCount ?? 0;
}

/** How many wait although they are due, at most 10,000. */
export async function countDue(db: Db, kind: ReminderKind, { from, before }: DueWindow): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::int as count from (select from reminders
       where kind = $1 and state = 'waiting' and due >= $2 and due < $3 limit 10000) waiting`,
    [kind, from, before],
  );
  return rows[0]?.count ?? 0;
}
