import type { Db } from "@medvault/postgres";
import type { StoredWrapped } from "../rotation/wrapped-keys.store.ts";

/** Which key each version was when it was last proved; null: noted before anybody opened it. */
export type KnownKeys = ReadonlyMap<number, Buffer | null>;

/** Without the versions that were destroyed: nothing asks for those any more. */
export async function findKnownKeys(db: Db): Promise<KnownKeys> {
  const { rows } = await db.query<{ version: number; key_id: Buffer | null }>(
    `select version, key_id from service_keys k
      where not exists (select from service_key_versions v where v.version = k.version and v.state = 'destroyed')
      order by version`,
  );
  return new Map(rows.map((row) => [row.version, row.key_id]));
}

/** Notes which key a version is; what was noted before is replaced. */
export async function noteKeys(db: Db, keys: KnownKeys): Promise<void> {
  await db.query(
    `insert into service_keys (version, key_id) select * from unnest($1::bigint[], $2::bytea[])
     on conflict (version) do update set key_id = excluded.key_id, noted_at = now()`,
    [[...keys.keys()], [...keys.values()]],
  );
}

/** Whether anything lies, or ever lay, under a key of this service: then no other is made. */
export async function holdsKeys(db: Db): Promise<boolean> {
  const { rows } = await db.query<{ holds: boolean }>(
    `select exists (select from service_keys) or exists (select from subject_keys)
         or exists (select from keys where state <> 'destroyed') as holds`,
  );
  return rows[0]?.holds !== false;
}

const SAMPLES_PER_VERSION = 20;

/**
 * The versions that wrapped keys say, each with some of these keys, those of the service itself
 * first. By index, however many subjects there are.
 */
export async function sampleWrapped(db: Db): Promise<Map<number, StoredWrapped[]>> {
  const { rows } = await db.query<{ version: Buffer; kind: string; name: string; wrapped: Buffer }>(
    `with recursive versions (version) as (
       (select substring(wrapped from 3 for 4) from subject_keys order by 1 limit 1)
       union all
       select (select substring(s.wrapped from 3 for 4) from subject_keys s
                where substring(s.wrapped from 3 for 4) > v.version order by 1 limit 1)
         from versions v where v.version is not null),
     own as (select substring(wrapped from 3 for 4) as version, kind, name, wrapped,
                    row_number() over (partition by substring(wrapped from 3 for 4)) as n
               from keys where state <> 'destroyed')
     select version, kind, name, wrapped from own where n <= $1
     union all
     select v.version, 'subject', s.subject_id::text, s.wrapped from versions v cross join lateral (
       select subject_id, wrapped from subject_keys
        where substring(wrapped from 3 for 4) = v.version limit $1) s
      where v.version is not null`,
    [SAMPLES_PER_VERSION],
  );
  const samples = new Map<number, StoredWrapped[]>();
  for (const { version, kind, name, wrapped } of rows) {
    const number = version.readUInt32BE(0);
    samples.set(number, [
      ...(samples.get(number) ?? []),
      { id: `${kind}/${name}`, wrapped, context: [kind, name] },
    ]);
  }
  return samples;
}
