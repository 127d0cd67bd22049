import type { AlertListQuery, AlertState } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import type { Alert } from "./alert.ts";
import { type Hit, MAX_EVENTS, type OpenedAlert } from "./rule.ts";
import { RULE_WORDS } from "./words.ts";

const ALERT = `id, rule, severity, state, actor_id as "actorId", patient_id as "patientId", address, subject,
  opened_at as "openedAt", first_at as "firstAt", last_at as "lastAt", count, events, why, rev, note,
  changed_by as "changedBy", changed_at as "changedAt"`;

/** Where a page of alerts ended: when its last one was opened (milliseconds), and its id. */
export interface AlertPosition {
  readonly time: number;
  readonly id: string;
}

/** Alerts that pass the filter, newest first, after `after`. */
export async function newestAlerts(
  db: Db,
  { state, rule, severity, from, to }: Omit<AlertListQuery, "limit" | "cursor">,
  after: AlertPosition | undefined,
  limit: number,
): Promise<Alert[]> {
  const { rows } = await db.query<Alert>(
    `select ${ALERT} from alerts
      where ($1::text is null or state = $1) and ($2::text is null or rule = $2) and ($3::text is null or severity = $3)
        and ($4::timestamptz is null or opened_at >= $4) and ($5::timestamptz is null or opened_at < $5)
        and ($6::timestamptz is null or (opened_at, id) < ($6, $7::uuid))
      order by opened_at desc, id desc limit $8`,
    [
      ...[state ?? null, rule ?? null, severity ?? null, from ?? null, to ?? null],
      ...[after ? new Date(after.time) : null, after?.id ?? null, limit],
    ],
  );
  return rows;
}

export async function alertById(db: Db, id: string): Promise<Alert | null> {
  const { rows } = await db.query<Alert>(`select ${ALERT} from alerts where id = $1`, [id]);
  return rows[0] ?? null;
}

/** Locks it until the transaction ends. */
export async function lockAlert(tx: Tx, id: string): Promise<Alert | null> {
  const { rows } = await tx.query<Alert>(`select ${ALERT} from alerts where id = $1 for update`, [id]);
  return rows[0] ?? null;
}

/** What a person changed of it. */
export async function saveAlert(
  tx: Tx,
  id: string,
  change: { state: AlertState; note: Buffer | null; rev: number; changedBy: string; changedAt: Date },
): Promise<Alert> {
  const { rows } = await tx.query<Alert>(
    `update alerts set state = $2, note = $3, rev = $4, changed_by = $5, changed_at = $6 where id = $1 returning ${ALERT}`,
    [id, change.state, change.note, change.rev, change.changedBy, change.changedAt],
  );
  return rows[0] as Alert;
}

/** Opens alerts; gives the ids of the new ones: of one cause, rule and window there is one. */
export async function insertAlerts(tx: Tx, opened: readonly OpenedAlert[], now: Date): Promise<Set<string>> {
  if (opened.length === 0) return new Set();
  const { rows } = await tx.query<{ id: string }>(
    `insert into alerts (id, rule, cause, window_at, severity, actor_id, patient_id, address, subject, opened_at,
                         first_at, last_at, count, events, why)
     select id, rule, cause, first_at, severity, actor_id, patient_id, address, subject, date_trunc('milliseconds', $14::timestamptz),
            first_at, last_at, count, events::uuid[], why
       from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[],
                   $9::timestamptz[], $10::timestamptz[], $11::bigint[], $12::text[], $13::text[])
            as new (id, rule, cause, severity, actor_id, patient_id, address, subject, first_at, last_at, count, events, why)
     on conflict (rule, cause, window_at) do nothing returning id`,
    [
      opened.map(({ id }) => id),
      opened.map(({ rule }) => rule),
      opened.map(({ key }) => key),
      opened.map(({ rule }) => RULE_WORDS[rule].severity),
      opened.map(({ cause }) => cause.actorId ?? null),
      opened.map(({ cause }) => cause.patientId ?? null),
      opened.map(({ cause }) => cause.address ?? null),
      opened.map(({ cause }) => cause.subject ?? null),
      opened.map(({ firstAt }) => new Date(firstAt)),
      opened.map(({ lastAt }) => new Date(lastAt)),
      opened.map(({ count }) => count),
      opened.map(({ events }) => `{${events.join(",")}}`),
      opened.map(({ why }) => why),
      now,
    ],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Further events of alerts that are there; what an alert names already is not counted again. */
export async function touchAlerts(tx: Tx, touched: ReadonlyMap<string, Hit>): Promise<void> {
  if (touched.size === 0) return;
  const hits = [...touched.values()];
  await tx.query(
    `update alerts set count = alerts.count + new.count, first_at = least(alerts.first_at, new.first_at),
            last_at = greatest(alerts.last_at, new.last_at),
            events = case when cardinality(alerts.events) >= ${MAX_EVENTS} then alerts.events
                          else (alerts.events || new.events::uuid[])[1:${MAX_EVENTS}] end
       from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[])
            as new (id, first_at, last_at, count, events)
      where alerts.id = new.id and (new.events = '{}' or not alerts.events @> new.events::uuid[])`,
    [
      [...touched.keys()],
      hits.map(({ firstAt }) => new Date(firstAt)),
      hits.map(({ lastAt }) => new Date(lastAt)),
      hits.map(({ count }) => count),
      hits.map(({ events }) => `{${events.join(",")}}`),
    ],
  );
}
