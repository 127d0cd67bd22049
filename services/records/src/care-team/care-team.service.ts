import {
  type AccessRight,
  type Actor,
  type CareTeamAssigned,
  type CareTeamAssignments,
  type CareTeamMember,
  NotFound,
  type Role,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { chartInReach, listRights, reachableChart, reachablePatientKeys } from "../access/access.store.ts";
import type { Caller } from "../access/auth.client.ts";
import { BASIS } from "../access/basis.ts";
import { requireStaff } from "../access/standing.service.ts";
import type { Context } from "../context.ts";
import { about } from "../resources/refusal.service.ts";
import { type Act, done, SOURCE } from "../resources/resource.events.ts";
import { write } from "../resources/write.service.ts";
import * as store from "./care-team.store.ts";

/** Who treats the patient. Throws NotFound. */
export async function readCareTeam(
  context: Context,
  actor: Actor,
  patientId: string,
  limit?: number,
): Promise<Answer<{ items: CareTeamMember[] }>> {
  const chart = await chartInReach(context.pool, actor, "careteam:read", patientId);
  if (!chart) throw new NotFound();
  const items = await store.listMembers(context.pool, actor, patientId);
  await context.appender.append(done(actor, { ...readAct(patientId), basis: chart[BASIS] }));
  return { body: { items: items.slice(0, limit) } };
}

/** Who can reach the chart now, and why. Throws NotFound, Unavailable. */
export async function readAccess(
  context: Context,
  actor: Caller,
  patientId: string,
): Promise<Answer<{ items: AccessRight[]; roles: Role[] }>> {
  const chart = await chartInReach(context.pool, actor, "access:read", patientId);
  if (!chart) throw new NotFound();
  const roles = await context.auth.rolesWith(actor, "patient:read:any");
  const items = await listRights(context.pool, actor, chart);
  const act = { noun: "access", verb: "listed", permission: "access:read" } as const;
  const whose = { subject: `patient/${patientId}`, patientIds: [patientId] };
  await context.appender.append(done(actor, { ...act, ...whose, details: { count: items.length } }));
  return { body: { items, roles } };
}

/** One member. Throws NotFound, for no such patient and no such member alike. */
export async function readMember(
  context: Context,
  actor: Actor,
  patientId: string,
  memberId: string,
): Promise<Answer<CareTeamMember>> {
  const member = await store.findMember(context.pool, actor, patientId, memberId);
  if (!member) throw new NotFound();
  await context.appender.append(done(actor, readAct(patientId)));
  return { body: member, rev: revOf(member) };
}

/** A member does not change, only comes and goes: the second in which they came is the revision. */
const revOf = (member: CareTeamMember): number => Math.floor(Date.parse(member.addedAt) / 1000);

/**
 * Puts someone of the staff on the care team; who is there already stays as they were. Throws
 * NotFound, VersionConflict, Unavailable.
 */
export async function assign(
  context: Context,
  actor: Caller,
  patientId: string,
  memberId: string,
  seen: number | null,
  request: WriteRequest,
): Promise<Answer<CareTeamMember>> {
  await requireStaff(context, actor, memberId);
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const chart = await reachableChart(tx, actor, "careteam:write", patientId);
      if (!chart) throw new NotFound();
      const present = seen === null ? null : await store.findMember(tx, actor, patientId, memberId);
      if (seen !== null && (!present || revOf(present) !== seen))
        throw about(new VersionConflict(), patientId);
      const whose = [chart.patientId];
      const count = await store.addMember(tx, actor, "careteam:write", whose, memberId, new Date());
      const added = count > 0;
      await emit(
        tx,
        SOURCE,
        done(actor, {
          noun: "careteam",
          verb: "assigned",
          permission: "careteam:write",
          subject: `patient/${patientId}`,
          patientIds: [patientId],
          details: { memberId, added },
        }),
      );
      const member = await store.findMember(tx, actor, patientId, memberId);
      if (!member) throw new NotFound();
      return { status: 200, body: member, rev: revOf(member) };
    },
    () => readAct(patientId),
  );
}

/**
 * Puts someone of the staff on the care teams of those patients whom the caller reaches; where they
 * are already they stay as they were. Throws NotFound for somebody else, Unavailable.
 */
export async function assignMany(
  context: Context,
  actor: Caller,
  { userId, patientIds }: CareTeamAssignments,
  request: WriteRequest,
): Promise<Answer<CareTeamAssigned>> {
  await requireStaff(context, actor, userId);
  const asked = [...new Set(patientIds)];
  const act = (ids: readonly string[]): Act => ({
    ...{ noun: "careteam", verb: "assigned", permission: "careteam:write", subject: `user/${userId}` },
    patientIds: ids,
  });
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const reached = await reachablePatientKeys(tx, actor, "careteam:write", asked);
      const ids = [...reached.keys()];
      const added = await store.addMember(tx, actor, "careteam:write", ids, userId, new Date());
      await emit(tx, SOURCE, done(actor, { ...act(ids), details: { memberId: userId, added } }));
      const notFound = asked.filter((id) => !reached.has(id));
      return { status: 200, body: { assigned: added, present: ids.length - added, notFound } };
    },
    ({ notFound }) => act(asked.filter((id) => !notFound.includes(id))),
  );
}

/**
 * Takes someone off the care team: what they could see ends with it. Throws NotFound,
 * VersionConflict.
 */
export function unassign(
  context: Context,
  actor: Actor,
  patientId: string,
  memberId: string,
  seen: number | null,
): Promise<Answer<never>> {
  return inTransaction(context.pool, async (tx) => {
    const present = seen === null ? null : await store.findMember(tx, actor, patientId, memberId);
    if (present && revOf(present) !== seen) throw about(new VersionConflict(), patientId);
    if (!(await store.removeMember(tx, actor, patientId, memberId, new Date()))) throw new NotFound();
    await emit(
      tx,
      SOURCE,
      done(actor, {
        noun: "careteam",
        verb: "unassigned",
        permission: "careteam:write",
        subject: `patient/${patientId}`,
        patientIds: [patientId],
        details: { memberId },
      }),
    );
    return {};
  });
}

function readAct(patientId: string): Act {
  return {
    noun: "careteam",
    verb: "read",
    permission: "careteam:read",
    subject: `patient/${patientId}`,
    patientIds: [patientId],
  };
}
