import {
  type ActNoun,
  type Actor,
  type ActVerb,
  auditEvent,
  type NewEvent,
  type ResourceAction,
} from "@medvault/contracts";
import { BASIS, type Basis } from "../access/basis.ts";
import { reasonOf } from "../access/reach.ts";
import type { DamagedRow, Found } from "./damaged-row.ts";
import type { Row } from "./patient-owned.ts";
import type { Resource } from "./resource.ts";

export const SOURCE = "records";

export interface Act {
  /** `prescription`, and what was done: `read`. */
  noun: ActNoun;
  verb: ActVerb;
  /** Under which permission; its scope is the reason of the decision. */
  permission: ResourceAction;
  /** `prescription/<id>`; a list has none of its own. */
  subject: string;
  patientIds?: readonly string[];
  fields?: readonly string[];
  details?: Record<string, string | number | boolean | null>;
  /** Default: the caller's. */
  purpose?: string;
  /** Why the caller reaches the chart, where it is not for what their scope says. */
  basis?: Basis | null | undefined;
}

/**
 * The event of something that was done: `medvault.records.<noun>.<verb>.v1`. Never a field's
 * content.
 */
export function done(actor: Actor, act: Act): NewEvent {
  return auditEvent(actor, {
    type: `medvault.records.${act.noun}.${act.verb}.v1`,
    subject: act.subject,
    action: act.permission,
    reason: act.basis ?? reasonOf(actor, act.permission),
    patientIds: act.patientIds ?? [],
    fields: act.fields ?? [],
    ...(act.details && { details: act.details }),
    ...(act.purpose && { purpose: act.purpose }),
  });
}

/** That one of a resource was read. */
export function readAct<T extends Row>(
  { noun, permissions, fields }: Resource<T>,
  id: string,
  patientId: string,
): Act {
  const subject = `${noun}/${id}`;
  return { noun, verb: "read", permission: permissions.read, subject, patientIds: [patientId], fields };
}

/** As readAct, of a value. */
export const readActOf = <T extends Row>(resource: Resource<T>, value: Found<T>): Act => ({
  ...readAct(resource, value.id, resource.patientOf(value)),
  basis: value[BASIS],
});

/**
 * The event of a write: the revision and the hash of the box that it left, so that a row rolled
 * back is found.
 */
export function wrote<T extends Row>(
  actor: Actor,
  resource: Resource<T>,
  act: Pick<Act, "verb" | "permission" | "fields" | "details" | "purpose" | "basis">,
  value: T,
  sealed: Buffer,
) {
  return done(actor, {
    ...readActOf(resource, value),
    ...act,
    details: {
      rev: value.rev,
      boxSha256: resource.table.boxHash(sealed),
      ...resource.details(value),
      ...act.details,
    },
  });
}

/** That a row does not open: `medvault.records.<noun>.damaged.v1`, an integrity event. */
export function damaged(
  actor: Actor,
  noun: ActNoun,
  permission: ResourceAction,
  { id, patientId, rev }: DamagedRow,
): NewEvent {
  return auditEvent(actor, {
    type: `medvault.records.${noun}.damaged.v1`,
    subject: `${noun}/${id}`,
    action: permission,
    outcome: "failure",
    reason: "row_damaged",
    patientIds: [patientId],
    details: { rev },
  });
}

/**
 * That a page was shown, never what was searched for: one event that names every patient of it; or
 * one for each reason for which they are reached.
 */
export function listActs<T extends Row>(
  resource: Resource<T>,
  verb: "listed" | "searched",
  items: readonly Found<T>[],
  patientId?: string,
): Act[] {
  const { noun, plural, fields, list, permissions } = resource;
  const permission = (verb === "searched" && permissions.search) || permissions.read;
  const byBasis = Map.groupBy(items, (item) => item[BASIS]);
  if (byBasis.size === 0) byBasis.set(undefined, []);
  return [...byBasis].map(([basis, of]) => {
    const whose =
      list?.isOfPatient && patientId !== undefined
        ? { subject: `patient/${patientId}`, patientIds: [patientId] }
        : { subject: plural, patientIds: of.map((item) => resource.patientOf(item)) };
    return { noun, verb, permission, ...whose, fields, details: { count: of.length }, basis };
  });
}
