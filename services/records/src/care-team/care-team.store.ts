import type { Actor, CareTeamMember, ResourceAction } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { chartIds, reached, reachOf } from "../access/reach.ts";

interface Row {
  user_id: string;
  added_by: string;
  added_at: Date;
}

// Of a merged chart the teams are one: who is on several of them came with the first.

/**
 * The care team of a patient whom the actor reaches: in the order in which they came, at most
 * 1,000.
 */
export async function listMembers(db: Db, actor: Actor, patientId: string): Promise<CareTeamMember[]> {
  const { scope, userId } = reachOf(actor, "careteam:read");
  const { rows } = await db.query<Row>(
    `select * from (
       select distinct on (c.user_id) c.user_id, c.added_by, c.added_at from care_team c
        where c.patient_id = any(${chartIds("$1")})
          and ${reached("c.patient_id", 2)}
        order by c.user_id, c.added_at) as team
      order by added_at, user_id limit 1000`,
    [patientId, scope, userId],
  );
  return rows.map(memberOf);
}

/** One member of the care team of a patient whom the actor reaches, or null. */
export async function findMember(
  db: Db,
  actor: Actor,
  patientId: string,
  memberId: string,
): Promise<CareTeamMember | null> {
  const { scope, userId } = reachOf(actor, "careteam:read");
  const { rows } = await db.query<Row>(
    `select c.user_id, c.added_by, c.added_at from care_team c
      where c.patient_id = any(${chartIds("$1")}) and c.user_id = $4
        and ${reached("c.patient_id", 2)}
      order by c.added_at limit 1`,
    [patientId, scope, userId, memberId],
  );
  return rows[0] ? memberOf(rows[0]) : null;
}

/**
 * Puts someone on the care teams of patients whom the caller was found to reach or has just made.
 * Returns on how many of them they were not yet.
 */
export async function addMember(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  patientIds: readonly string[],
  memberId: string,
  now: Date,
): Promise<number> {
  reachOf(actor, permission);
  if (patientIds.length === 0) return 0;
  const { rowCount } = await tx.query(
    `insert into care_team (patient_id, user_id, added_by, added_at)
     select unnest($1::uuid[]), $2, $3, $4
     on conflict (patient_id, user_id) do nothing`,
    [patientIds, memberId, actor.id, now],
  );
  return rowCount ?? 0;
}

/**
 * Takes someone off the care team, and notes the end where a restore rewinds nothing. False when
 * the actor does not reach the patient or there is no such member.
 */
export async function removeMember(
  tx: Tx,
  actor: Actor,
  patientId: string,
  memberId: string,
  now: Date,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, "careteam:write");
  const { rowCount } = await tx.query(
    `with gone as (
       delete from care_team c
        where c.patient_id = any(${chartIds("$1")}) and c.user_id = $4
          and ${reached("c.patient_id", 2)}
        returning c.patient_id, c.user_id)
     insert into care_team_ends (patient_id, user_id, ended_at)
     select patient_id, user_id, $5 from gone
     on conflict (patient_id, user_id) do update set ended_at = excluded.ended_at`,
    [patientId, scope, userId, memberId, now],
  );
  return (rowCount ?? 0) > 0;
}

function memberOf(row: Row): CareTeamMember {
  return { userId: row.user_id, addedBy: row.added_by, addedAt: row.added_at.toISOString() };
}
