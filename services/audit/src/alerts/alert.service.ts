import {
  type Actor,
  type AlertListQuery,
  type AlertPage,
  type AlertPatch,
  type AlertView,
  decodeCursor,
  encodeCursor,
  Id,
  NotFound,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { z } from "zod";
import type { Context } from "../context.ts";
import { queueDeliveries } from "../delivery/delivery.service.ts";
import { AlertTransition } from "./alert.errors.ts";
import { alertChanged, alertRead, alertsListed } from "./alert.events.ts";
import { alertById, lockAlert, newestAlerts, saveAlert } from "./alert.store.ts";
import { mayBecome, viewOf } from "./alert.ts";
import { changedNotice } from "./alert-notice.ts";

const Cursor = z.tuple([z.int().min(0).max(Date.parse("9999-12-31T23:59:59.999Z")), Id]);

interface Shown {
  readonly view: AlertView;
  readonly rev: number;
}

/** Alerts that pass the filter, newest first. */
export async function listAlerts(
  { pool, noteSeal, appender }: Context,
  actor: Actor,
  { limit, cursor, ...filter }: AlertListQuery,
): Promise<z.input<typeof AlertPage>> {
  const after = decodeCursor(Cursor, cursor);
  const position = after && { time: after[0], id: after[1] };
  const rows = await newestAlerts(pool, filter, position, limit + 1);
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  await appender.append(alertsListed(actor, filter, items.length));
  return {
    items: items.map((alert) => viewOf(noteSeal, alert)),
    nextCursor: last ? encodeCursor([last.openedAt.getTime(), last.id]) : null,
  };
}

/** One alert. @throws NotFound */
export async function readAlert(
  { pool, noteSeal, appender }: Context,
  actor: Actor,
  id: string,
): Promise<Shown> {
  const alert = await alertById(pool, id);
  if (alert === null) throw new NotFound();
  await appender.append(alertRead(actor, id));
  return { view: viewOf(noteSeal, alert), rev: alert.rev };
}

/** Says how far an alert was looked into. @throws NotFound, VersionConflict, AlertTransition */
export async function changeAlert(
  { pool, noteSeal, channels, now }: Context,
  actor: Actor,
  id: string,
  { state, note }: AlertPatch,
  expectedRev: number | null,
): Promise<Shown> {
  return inTransaction(pool, async (tx) => {
    const before = await lockAlert(tx, id);
    if (before === null) throw new NotFound();
    if (expectedRev !== null && expectedRev !== before.rev) throw new VersionConflict();
    if (!mayBecome(before.state, state)) throw new AlertTransition();
    const rev = before.rev + 1;
    const text = note ?? (before.note === null ? null : noteSeal.open(id, before.rev, before.note));
    const sealed = text === null ? null : noteSeal.seal(id, rev, text);
    const change = { state, note: sealed, rev, changedBy: actor.id, changedAt: now() };
    const after = await saveAlert(tx, id, change);
    const fields = ["state", ...(note === undefined ? [] : ["note"])];
    await emit(tx, "audit", alertChanged(actor, before, after, fields));
    await queueDeliveries({ channels, now }, tx, changedNotice(after), { change: "changed", rev });
    return { view: viewOf(noteSeal, after), rev };
  });
}
