import { type Actor, type ConsentView, InvalidInput, type NewConsent, NotFound } from "@medvault/contracts";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { chartInReach } from "../access/access.store.ts";
import type { Caller } from "../access/auth.client.ts";
import { requireProvider } from "../access/standing.service.ts";
import type { Context } from "../context.ts";
import { createAfter } from "../resources/creation.service.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { about, notFound } from "../resources/refusal.service.ts";
import { change, read } from "../resources/resource.service.ts";
import * as rows from "../resources/resource.store.ts";
import { AlreadyGiven, ConsentLimit, NotOnCareTeam } from "./consent.errors.ts";
import { isInChart, lockInForce } from "./consent.store.ts";
import { consents } from "./consent.table.ts";
import { type Consent, MAX_CONSENTS } from "./consent.ts";

/**
 * Opens a chart to someone, or closes a part of it to them; by the patient, or by an admin for one
 * who cannot. Throws NotFound, InvalidInput, AlreadyGiven, NotOnCareTeam, ConsentLimit,
 * Unavailable.
 */
export async function giveConsent(
  context: Context,
  actor: Caller,
  patientId: string,
  { grantee, purpose, closes, expiresAt }: NewConsent,
  request: WriteRequest,
): Promise<Answer<ConsentView>> {
  await requireProvider(context, actor, grantee, "grantee");
  const ends = expiresAt === undefined ? null : new Date(expiresAt);
  if (ends && ends.getTime() <= Date.now()) throw invalid("expiresAt", "must be in the future");
  const given = {
    ...{ grantee, purpose: purpose ?? null, partType: closes?.type ?? null, partId: closes?.id ?? null },
    ...{ expiresAt: ends, givenBy: actor.id, hiddenAt: null },
  };
  const prepare = async (tx: Tx, ofPatient: string) => {
    const { count, hasThis, isOnTeam } = await lockInForce(tx, actor, ofPatient, given);
    if (hasThis) throw about(new AlreadyGiven(), ofPatient);
    if (count >= MAX_CONSENTS) throw about(new ConsentLimit(), ofPatient);
    if (closes && !isOnTeam) throw about(new NotOnCareTeam(), ofPatient);
    if (closes?.id !== undefined && !(await isInChart(tx, actor, ofPatient, closes.type, closes.id)))
      throw about(invalid("closes.id", "is not in this chart"), ofPatient);
  };
  const make = (made: PatientOwned): Consent => ({ ...made, ...given });
  return createAfter(context, actor, consents, patientId, prepare, make, request);
}

const invalid = (path: string, message: string) => new InvalidInput(undefined, [{ path, message }]);

/** One of a chart's. Throws NotFound. */
export async function readConsent(
  context: Context,
  actor: Actor,
  patientId: string,
  id: string,
): Promise<Answer<ConsentView>> {
  await requireOf(context, actor, patientId, id);
  return read(context, actor, consents, id);
}

/** Revokes one: what it opened is closed, and what it closed is open, at once. Throws NotFound. */
export async function revokeConsent(
  context: Context,
  actor: Actor,
  patientId: string,
  id: string,
  expectedRev: number | null,
): Promise<Answer<never>> {
  await requireOf(context, actor, patientId, id);
  const revoke = (found: Consent): Consent => {
    const now = new Date();
    return { ...found, rev: found.rev + 1, hiddenAt: now, updatedAt: now };
  };
  return inTransaction(context.pool, async (tx) => {
    await change(tx, context, actor, consents, id, expectedRev, { verb: "revoked" }, revoke);
    return {};
  });
}

/** That the consent is of the chart that the path names, and stands. Throws NotFound. */
async function requireOf(context: Context, actor: Actor, patientId: string, id: string): Promise<void> {
  const { read: permission } = consents.permissions;
  const found = await rows.find(context.pool, context, actor, permission, consents, id);
  const chart = await chartInReach(context.pool, actor, permission, patientId);
  if (!found || consents.isHidden(found) || !chart?.includes(consents.patientOf(found)))
    throw found ? new NotFound() : await notFound(context.pool, actor, permission, consents, id);
}
