import type { Actor, ClaimListQuery, ResourceAction } from "@medvault/contracts";
import type { Sealed, SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Position } from "../paging.ts";
import { claims } from "./claim.table.ts";
import type { Claim } from "./claim.ts";

/** A claim of a patient whom the actor reaches with this permission, or null. */
export async function findClaim(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<Claim | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<SealedRow>(
    `select c.id, c.patient_id, c.provider_id, c.created_by, c.status, c.created_at, c.updated_at, c.rev, c.open,
            c.sealed, k.wrapped as subject_key
       from claims c join subject_keys k on k.subject_id = c.patient_id
      where c.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = c.patient_id and a.user_id = $3 and a.scope = $2))`,
    [id, scope, userId],
  );
  return rows[0] ? claims.open(context.keyring, rows[0]) : null;
}

/** As findClaim, locked until the transaction ends, with the key to seal it anew. */
export async function findClaimForUpdate(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  id: string,
): Promise<{ claim: Claim; subjectKey: Buffer } | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await tx.query<SealedRow>(
    `select c.id, c.patient_id, c.provider_id, c.created_by, c.status, c.created_at, c.updated_at, c.rev, c.open,
            c.sealed, k.wrapped as subject_key
       from claims c join subject_keys k on k.subject_id = c.patient_id
      where c.id = $1
        and ($2 = 'any' or exists (select from patient_access a
              where a.patient_id = c.patient_id and a.user_id = $3 and a.scope = $2))
        for update of c`,
    [id, scope, userId],
  );
  const row = rows[0];
  return row ? { claim: claims.open(context.keyring, row), subjectKey: row.subject_key } : null;
}

/** The claims that the actor may read, changed last first: at most `limit`, after `after`; read as prescriptions are. */
export async function listClaims(
  db: Db,
  context: Context,
  actor: Actor,
  filter: Pick<ClaimListQuery, "patientId" | "status">,
  after: Position | null,
  limit: number,
): Promise<Claim[]> {
  const { scope, userId } = reachOf(actor, "claim:read");
  const values = [filter.patientId, filter.status, after?.at, after?.id, limit];
  const { rows } =
    scope === "any"
      ? await db.query<SealedRow>(
          `select c.id, c.patient_id, c.provider_id, c.created_by, c.status, c.created_at, c.updated_at, c.rev, c.open,
                  c.sealed, k.wrapped as subject_key
             from claims c join subject_keys k on k.subject_id = c.patient_id
            where ($1::uuid is null or c.patient_id = $1) and ($2::text is null or c.status = $2)
              and ($3::timestamptz is null or (c.updated_at, c.id) < ($3, $4::uuid))
            order by c.updated_at desc, c.id desc limit $5`,
          values,
        )
      : await db.query<SealedRow>(
          `with page as (
             select c.* from patient_access a
              cross join lateral (
                    select x.* from claims x
                     where x.patient_id = a.patient_id and ($2::text is null or x.status = $2)
                       and ($3::timestamptz is null or (x.updated_at, x.id) < ($3, $4::uuid))
                     order by x.updated_at desc, x.id desc limit $5) c
              where a.user_id = $6 and a.scope = $7 and ($1::uuid is null or a.patient_id = $1)
              order by c.updated_at desc, c.id desc limit $5)
           select c.id, c.patient_id, c.provider_id, c.created_by, c.status, c.created_at, c.updated_at, c.rev, c.open,
                  c.sealed, k.wrapped as subject_key
             from page c join subject_keys k on k.subject_id = c.patient_id
            order by c.updated_at desc, c.id desc`,
          [...values, userId, scope],
        );
  return rows.map((row) => claims.open(context.keyring, row));
}

/** Stores new claims, in one statement. That the actor reaches their patient, the caller has found in this transaction. */
export async function insertClaims(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  values: readonly Claim[],
  boxes: readonly Sealed[],
): Promise<void> {
  reachOf(actor, permission);
  if (values.length === 0) return;
  await tx.query(
    `insert into claims (id, patient_id, provider_id, created_by, status, created_at, updated_at, rev, open, sealed)
     select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[],
                          $7::timestamptz[], $8::int[], $9::jsonb[], $10::bytea[])`,
    [
      values.map((c) => c.id),
      values.map((c) => c.patientId),
      values.map((c) => c.providerId),
      values.map((c) => c.createdBy),
      values.map((c) => c.status),
      values.map((c) => c.createdAt),
      values.map((c) => c.updatedAt),
      values.map((c) => c.rev),
      boxes.map((b) => JSON.stringify(b.open)),
      boxes.map((b) => b.sealed),
    ],
  );
}

/** Replaces a claim that was locked at the revision before. False when somebody was faster. */
export async function updateClaim(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  claim: Claim,
  { open, sealed }: Sealed,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { rowCount } = await tx.query(
    `update claims c
        set provider_id = $2, status = $3, updated_at = $4, rev = $5, open = $6, sealed = $7
      where c.id = $1 and c.rev = $5 - 1
        and ($8 = 'any' or exists (select from patient_access a
              where a.patient_id = c.patient_id and a.user_id = $9 and a.scope = $8))`,
    [claim.id, claim.providerId, claim.status, claim.updatedAt, claim.rev, open, sealed, scope, userId],
  );
  return rowCount === 1;
}
