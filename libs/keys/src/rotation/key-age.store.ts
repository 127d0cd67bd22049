import type { Db } from "@medvault/postgres";

export interface KeyAges {
  /** Seconds since the newest service key, and since the oldest active key of other kinds. */
  readonly byKind: readonly { readonly kind: string; readonly seconds: number }[];
  /** Seconds since the first shred that is not final yet; 0: none waits. */
  readonly shredSeconds: number;
}

/** How old a service's keys are. */
export async function readKeyAges(db: Db): Promise<KeyAges> {
  const { rows } = await db.query<{ kind: string; seconds: number }>(
    `select kind, extract(epoch from clock_timestamp() - since)::float8 as seconds from (
       select 'service' as kind, max(noted_at) as since from service_keys
       union all select kind, min(created_at) from keys where state = 'active' group by kind
       union all select 'shred', min(shredded_at) from shreds where final_at is null) ages
      where since is not null`,
  );
  const byKind = rows.filter(({ kind }) => kind !== "shred");
  return { byKind, shredSeconds: rows.find(({ kind }) => kind === "shred")?.seconds ?? 0 };
}
