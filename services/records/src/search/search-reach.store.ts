import type { Db } from "@medvault/postgres";
import { patientsInReach, type Reach } from "../access/reach.ts";

const IN_REACH = `
  select coalesce(string_agg(uuid_send(a.patient_id), ''::bytea), ''::bytea) as ids
    from ${patientsInReach("$1", "$2")} a`;

/** The ids of all whom a user reaches in a scope other than `any`, 16 bytes each. */
export async function reachedIds(db: Db, { userId, scope }: Reach): Promise<Buffer> {
  const { rows } = await db.query<{ ids: Buffer }>(IN_REACH, [userId, scope]);
  return rows[0]?.ids ?? Buffer.alloc(0);
}

/** Ids as they travel from Postgres. */
export const bytesOf = (ids: readonly string[]): Buffer =>
  Buffer.from(ids.join("").replaceAll("-", ""), "hex");
