import type { Actor } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import { chartIds, reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Locked } from "../resources/resource.store.ts";
import { patients } from "./patient.table.ts";
import type { Patient } from "./patient.ts";

// Against other changes of the patient, not against new rows under it.
const LOCKED = `${patients.statements.find} for no key update of r`;
const LOCKED_ITSELF = `${patients.statements.rows}
      where r.id = $1 and ${reached("r.id", 2)} for no key update of r`;

/**
 * Until the transaction ends no other merges or unmerges: of two at once the second sees what the
 * first did.
 */
export async function takeTurns(tx: Tx): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtextextended('medvault.patient_merges', 0))");
}

/**
 * The patient whose chart an id leads to, or whose own it is, if the actor may write it; held until
 * the transaction ends.
 */
export async function holdPatient(
  tx: Tx,
  context: Context,
  actor: Actor,
  id: string,
  which: "surviving" | "itself" = "surviving",
): Promise<Locked<Patient> | null> {
  const { scope, userId } = reachOf(actor, "patient:write");
  const statement = which === "itself" ? LOCKED_ITSELF : LOCKED;
  const { rows } = await tx.query<SealedRow>(statement, [id, scope, userId]);
  const row = rows[0];
  return row ? { value: patients.open(context.keyring, row), subjectKey: row.subject_key } : null;
}

/**
 * Whether an erasure of one of these charts waits for approval. In the turn of merges, so that none
 * is asked for until the transaction ends.
 */
export async function isErasureRequested(tx: Tx, actor: Actor, ids: readonly string[]): Promise<boolean> {
  reachOf(actor, "patient:write");
  const { rowCount } = await tx.query(
    `select from unnest($1::uuid[]) as c (id) join erasure_requests e on e.patient_id = any(${chartIds("c.id")})
      where e.state = 'requested' and e.expires_at > now() limit 1`,
    [ids],
  );
  return rowCount === 1;
}

/**
 * Merges one patient into another, and takes away the note that a merge of them was undone; that
 * the actor may, the caller found.
 */
export async function insertMerge(tx: Tx, actor: Actor, from: string, into: string): Promise<void> {
  reachOf(actor, "patient:write");
  await tx.query(
    `insert into patient_merges as m (from_id, into_id, merged_by, merged_at)
     select id, $2, $3, now() from unnest(array[$1, $2]::uuid[]) as x (id)
     on conflict (from_id) do update
       set into_id = excluded.into_id, merged_by = excluded.merged_by, merged_at = excluded.merged_at
     where m.into_id <> excluded.into_id`,
    [from, into, actor.id],
  );
  await tx.query("delete from patient_unmerges where from_id = $1 and into_id = $2", [from, into]);
}

/**
 * Undoes the merge, and notes that where a restore rewinds nothing; that the actor may, the caller
 * found.
 */
export async function deleteMerge(tx: Tx, actor: Actor, from: string, into: string): Promise<void> {
  reachOf(actor, "patient:write");
  await tx.query(
    `delete from patient_merges m
      where m.from_id = $1
         or (m.from_id = $2 and not exists (select from patient_merges o
                                             where o.into_id = $2 and o.from_id not in ($1, $2)))`,
    [from, into],
  );
  await tx.query(
    `insert into patient_unmerges (from_id, into_id, unmerged_at) values ($1, $2, now())
     on conflict (from_id, into_id) do update set unmerged_at = excluded.unmerged_at`,
    [from, into],
  );
}
