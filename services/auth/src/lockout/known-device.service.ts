import { type Actor, auditEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { findAccount } from "../accounts/account.store.ts";
import type { Caller } from "../caller.ts";
import { type AuthContext, announce } from "../context.ts";
import type { Familiar } from "../grants/standing.store.ts";
import { newDeviceMail } from "../mail/mail.ts";
import { type Place, placeOf } from "./bucket.ts";
import { findFamiliar, saveSuccess } from "./known-device.store.ts";
import { deviceTokenFor, newDeviceId } from "./known-device.ts";

/** What a sign-in answers to a device that was not known; empty for one that was. */
export interface NewDevice {
  deviceToken?: string;
}

/**
 * The end of a whole sign-in: its lane (if it was counted in one) begins anew, and its device is known from now on, under
 * the token that it showed or a new one. A device that is new in a place that is new leaves an event, unless it is the
 * account's first. `familiar`: what was read of it in this transaction; null: nothing yet.
 */
export async function rememberSignIn(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor | Caller,
  signedIn: { userId: string; lane: Buffer | null; familiar: Familiar | null },
): Promise<NewDevice> {
  const { userId, lane } = signedIn;
  const now = ctx.now();
  const place = placeOf(ctx, actor, { id: userId });
  const familiar = signedIn.familiar ?? (await findFamiliar(tx, userId, place));
  const { device: shown, address } = place;
  if (shown && familiar.device) {
    await saveSuccess(tx, { userId, lane, address, device: { id: shown, isNew: false } }, now);
    return {};
  }
  if (!familiar.address && familiar.signedIn) await tellOfNewDevice(ctx, tx, actor, userId);
  const id = newDeviceId();
  await saveSuccess(tx, { userId, lane, address, device: { id, isNew: true } }, now);
  return { deviceToken: deviceTokenFor(ctx.blindKey, userId, id) };
}

/** A success that is no whole sign-in: the address is known from now on, and the lane's count begins anew. */
export async function rememberSuccess(
  ctx: AuthContext,
  db: Parameters<typeof saveSuccess>[0],
  place: Place,
  success: { userId: string; lane: Buffer },
): Promise<void> {
  await saveSuccess(db, { ...success, address: place.address, device: null }, ctx.now());
}

async function tellOfNewDevice(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor | Caller,
  userId: string,
): Promise<void> {
  await announce(
    tx,
    auditEvent(actor, {
      type: "medvault.auth.device.new.v1",
      subject: `user/${userId}`,
      action: "session:start",
    }),
  );
  const account = await findAccount(tx, ctx, userId);
  if (!account) return;
  const { publicUrl } = ctx.settings;
  await ctx.mails.send(tx, "new_device", newDeviceMail({ to: account.email, publicUrl, at: ctx.now() }));
}
