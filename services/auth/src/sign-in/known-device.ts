import { type Actor, auditEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { networkOf } from "@medvault/service-kit";
import { findAccount } from "../accounts/account.store.ts";
import { blindToken } from "../blind.ts";
import { type Caller, deviceTokenOf } from "../caller.ts";
import { type AuthContext, announce } from "../context.ts";
import { newDeviceMail } from "../mail/mail.templates.ts";
import { deviceIdIn, deviceTokenFor, newDeviceId } from "./device-token.ts";
import { hasSignedIn, isKnownAddress, isKnownDevice, rememberDevice } from "./known-device.store.ts";

/** What a sign-in answers to a device that was not known; empty for one that was. */
export interface NewDevice {
  deviceToken?: string;
}

/** The blind name of where somebody is: an IPv4 address or an IPv6 /64. */
export function addressToken(ctx: Pick<AuthContext, "blindKey">, actor: Actor): Buffer {
  return blindToken(ctx.blindKey, "address", networkOf(actor.ip));
}

/**
 * A whole sign-in: its device is known from now on, under the token that it showed or a new one. A device that is new in a
 * place that is new leaves an event, unless it is the account's first.
 */
export async function rememberSignIn(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor | Caller,
  userId: string,
): Promise<NewDevice> {
  const now = ctx.now();
  const since = new Date(now.getTime() - ctx.settings.lockout.knownMs);
  const shown = deviceIdIn(ctx.blindKey, userId, deviceTokenOf(actor));
  if (shown && (await isKnownDevice(tx, userId, shown, since))) {
    await rememberDevice(tx, userId, shown, now);
    return {};
  }
  const isNew = !(await isKnownAddress(tx, userId, addressToken(ctx, actor), since));
  if (isNew && (await hasSignedIn(tx, userId))) {
    await announce(
      tx,
      auditEvent(actor, {
        type: "medvault.auth.device.new.v1",
        subject: `user/${userId}`,
        action: "session:start",
      }),
    );
    const account = await findAccount(tx, ctx, userId);
    const { publicUrl } = ctx.settings;
    if (account)
      await ctx.mails.send(tx, "new_device", newDeviceMail({ to: account.email, publicUrl, at: now }));
  }
  const deviceId = newDeviceId();
  await rememberDevice(tx, userId, deviceId, now);
  return { deviceToken: deviceTokenFor(ctx.blindKey, userId, deviceId) };
}
