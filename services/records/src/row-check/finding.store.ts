import type { Db, Tx } from "@medvault/postgres";
import type { Disagreement } from "./comparison.ts";
import { macOf } from "./expected-row.ts";

/** A row that is not what the log says. */
export interface Finding {
  readonly kind: string;
  readonly id: string;
  readonly what: Disagreement;
  readonly patientId: string | null;
  readonly expectedRev: number | null;
  readonly foundRev: number | null;
}

/** Keeps what was found; gives those that nobody was told of yet. */
export async function keepFindings(tx: Tx, key: Buffer, found: readonly Finding[]): Promise<Finding[]> {
  const macs = found.map(({ kind, id, what, expectedRev, foundRev }) =>
    macOf(key, "finding", kind, id, what, expectedRev, foundRev),
  );
  const { rows } = await tx.query<{ at: number }>(
    `with found as (
       select * from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::bytea[])
         with ordinality as x (kind, id, what, expected_rev, found_rev, mac, at)
     ), kept as (
       insert into row_findings as f (kind, id, what, expected_rev, found_rev, mac)
       select kind, id, what, expected_rev, found_rev, mac from found
       on conflict (kind, id) do update
          set what = excluded.what, expected_rev = excluded.expected_rev, found_rev = excluded.found_rev,
              mac = excluded.mac, found_at = now()
        where f.mac <> excluded.mac
       returning kind, id
     ) select at::int as at from found join kept using (kind, id) order by at`,
    [
      found.map(({ kind }) => kind),
      found.map(({ id }) => id),
      found.map(({ what }) => what),
      found.map(({ expectedRev }) => expectedRev),
      found.map(({ foundRev }) => foundRev),
      macs,
    ],
  );
  return rows.flatMap(({ at }) => found[at - 1] ?? []);
}

/** A check of all rows has ended: what it did not find again is there no more. */
export async function endFindings(tx: Tx, found: readonly Finding[]): Promise<void> {
  const still = found.map(({ kind, id }) => `${kind} ${id}`);
  await tx.query("delete from row_findings where kind || ' ' || id <> all($1::text[])", [still]);
  await tx.query("update row_check set compared_at = now()");
}

/** What `/metrics` and readiness show. `ageS`: since all rows were last compared; null: never. */
export async function standing(db: Db): Promise<{ found: number; ageS: number | null }> {
  const { rows } = await db.query<{ found: number; age: number | null }>(
    `select (select count(*)::int from row_findings) as found,
            (select extract(epoch from now() - compared_at)::float8 from row_check) as age`,
  );
  return { found: rows[0]?.found ?? 0, ageS: rows[0]?.age ?? null };
}
