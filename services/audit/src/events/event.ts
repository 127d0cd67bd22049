import {
  type Actor,
  type AuditEventView,
  decodeCursor,
  encodeCursor,
  Forbidden,
  scopeOf,
} from "@medvault/contracts";
import { z } from "zod";
import type { BodySeal } from "../log/body-seal.ts";
import { type Body, eventOf, splitBody } from "../log/entry.ts";
import type { LogRow } from "../log/log.store.ts";

/**
 * Patients hold audit:read for the history of their own record (my-access) alone; the log itself
 * needs the scope any. @throws Forbidden
 */
export function requireWholeLog(actor: Actor): void {
  if (scopeOf(actor, "audit:read") !== "any") throw new Forbidden();
}

/** Where a page ended: the last row's time (milliseconds) and index. */
export interface Position {
  readonly time: number;
  readonly idx: number;
}
/** Years 1 to 9999, in ms since 1970: what Postgres and RFC 3339 can both say. */
const Time = z.int().min(Date.parse("0001-01-01T00:00:00Z")).max(Date.parse("9999-12-31T23:59:59.999Z"));
const Cursor = z.tuple([Time, z.int().nonnegative()]);

/** The position in a cursor. @throws InvalidInput */
export function positionOf(cursor: string | undefined): Position | undefined {
  const found = decodeCursor(Cursor, cursor);
  return found && { time: found[0], idx: found[1] };
}

/** The cursor of the rows after this one. */
export const cursorAfter = (row: Pick<LogRow, "occurredAt" | "idx">): string =>
  encodeCursor([row.occurredAt, row.idx]);

/** A row as the API shows it: of the view that openRow gives. */
export const viewOf = (seal: BodySeal, row: LogRow): AuditEventView => openRow(seal, row).view;

/**
 * A row with its body: shown from the sealed body when that gives the row's leaf, and otherwise
 * marked as damaged, with nothing of what the body might claim.
 */
export function openRow(seal: BodySeal, row: LogRow): { view: AuditEventView; body: Body | null } {
  const sealed = seal.open(row.idx, row.id, row.sealed);
  const event = sealed === null ? null : eventOf(sealed, row.leaf);
  const known = {
    id: row.id,
    index: row.idx,
    time: new Date(row.occurredAt).toISOString(),
    type: row.type,
    producer: row.producer,
  };
  if (event === null || event.id.toLowerCase() !== row.id)
    return { view: { ...known, ...NOTHING }, body: null };
  const { data } = event;
  const view: AuditEventView = {
    ...known,
    time: event.time,
    type: event.type,
    actor: data.actor,
    patientId: data.patientIds[0] ?? null,
    patientIds: data.patientIds,
    subject: event.subject,
    action: data.action,
    outcome: data.outcome,
    purpose: data.purpose,
    ip: data.from?.ip ?? null,
    userAgent: data.from?.userAgent ?? null,
    requestId: event.requestid ?? null,
    fields: data.fields,
    details: data.details ?? {},
    decision: data.decision,
    damaged: false,
  };
  return { view, body: sealed && splitBody(sealed) };
}

const NOTHING = {
  actor: null,
  patientId: null,
  patientIds: [],
  subject: null,
  action: null,
  outcome: null,
  purpose: null,
  ip: null,
  userAgent: null,
  requestId: null,
  fields: [],
  details: {},
  decision: null,
  damaged: true,
} satisfies Partial<AuditEventView>;
