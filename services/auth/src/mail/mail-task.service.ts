import { type AlertAnnouncement, auditEvent, type Reminder } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import { findAccount, findAccountByIdentifier, lockAccount } from "../accounts/account.store.ts";
import { type Account, isUsable, mayResetFactors, type Recipient } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { accountToken } from "../lockout/bucket.ts";
import { attemptStamp, reserveAttempt } from "../lockout/lockout.store.ts";
import type { Limit } from "../lockout/lockout.ts";
import { blindToken } from "../tokens/blind-token.ts";
import { insertOneTimeToken, type TokenPurpose } from "../tokens/one-time-token.store.ts";
import { newOpaqueToken } from "../tokens/opaque-token.ts";
import {
  addressAskedMail,
  addressChangedMail,
  addressChangeMail,
  addressClaimedMail,
  addressGivenMail,
  addressKeptMail,
  addressTakenMail,
  addressWantedMail,
} from "./address-mail.ts";
import { alertMail } from "./alert-mail.ts";
import {
  type FactorChange,
  type FactorsLeft,
  factorsChangedMail,
  invitationMail,
  lockedMail,
  type Mail,
  newDeviceMail,
  passwordChangedMail,
  registeredMail,
  resetMail,
  usernameChangedMail,
} from "./mail.ts";

/**
 * What a mail is made from behind the answer. Whether the address has an account is looked up then,
 * so that the answer takes as long either way.
 */
export type MailTask =
  | { name: "reset"; email: string }
  | { name: "invitation"; userId: string; email: string; username: string; token: string }
  | { name: "registered"; userId: string; confirm: boolean }
  | { name: "address_taken"; email: string; claimantId: string }
  | { name: "address_change"; userId: string; email: string; token: string; until: string }
  | { name: "locked"; userId: string | null }
  | { name: "reminder"; id: string; userId: string; kind: Reminder; notAfter: string }
  | { name: "alert"; alertId: string; alert: AlertAnnouncement; userId: string | null; email: string | null }
  | ({ name: "address_wanted"; token: string; until: string } & Recipient)
  | ({ name: "address_asked" | "address_changed" | "address_given" | "address_kept" } & Recipient)
  | ({ name: "username_changed" | "new_device" } & Recipient)
  | ({ name: "password_changed"; factors: FactorsLeft } & Recipient)
  | ({ name: "factors_changed"; what: FactorChange } & Recipient);

const HOUR_MS = 3600_000;
const CONFIRM_MS = 24 * HOUR_MS;
const none = { lockMs: 0, growth: 1 };
/** Anyone who can make us mail somebody can do so only so often. */
const PER_RECIPIENT: Partial<Record<MailTask["name"], Limit>> = {
  reset: { max: 10, windowMs: HOUR_MS, ...none },
  address_taken: { max: 5, windowMs: 24 * HOUR_MS, ...none },
  address_change: { max: 5, windowMs: 24 * HOUR_MS, ...none },
  address_asked: { max: 5, windowMs: 24 * HOUR_MS, ...none },
  factors_changed: { max: 20, windowMs: 24 * HOUR_MS, ...none },
  locked: { max: 1, windowMs: 24 * HOUR_MS, ...none },
  // Whoever sets off alerts again and again must not fill the mailbox that the next one comes to.
  alert: { max: 60, windowMs: HOUR_MS, ...none },
};

type AlertTask = Extract<MailTask, { name: "alert" }>;

/** The mail of a task, with the token that it holds; null when nobody is to have one. */
export async function composeMail(
  ctx: AuthContext,
  tx: Tx,
  task: Exclude<MailTask, { name: "reminder" }>,
): Promise<Mail | null> {
  if (task.name === "alert") return composeAlert(ctx, tx, task);
  const { publicUrl } = ctx.settings;
  const account = await accountOf(ctx, tx, task);
  if (!account || !(await isWithinLimit(ctx, tx, task.name, account.id))) return null;
  switch (task.name) {
    case "reset": {
      const token = await newToken(ctx, tx, account.id, "password_reset", ctx.settings.resetMs);
      const mailed = auditEvent(null, {
        type: "medvault.auth.password-reset.mailed.v1",
        subject: `user/${account.id}`,
        action: "password:forgot",
      });
      await emit(tx, "auth", mailed);
      const lifeMs = ctx.settings.resetMs;
      return resetMail({
        ...{ to: account.email, publicUrl, token, lifeMs },
        mayRemoveFactors: mayResetFactors(account),
      });
    }
    case "invitation":
      return invitationMail({
        ...{ to: task.email, username: task.username, publicUrl, token: task.token },
        lifeMs: ctx.settings.invitationMs,
      });
    case "registered": {
      const token = task.confirm ? await newToken(ctx, tx, account.id, "email_change", CONFIRM_MS) : null;
      return registeredMail({ to: account.email, username: account.username, publicUrl, token });
    }
    case "address_taken": {
      const claimant = account.emailUnconfirmed ? await lockAccount(tx, ctx, task.claimantId) : null;
      // The link shows that the address is read which the account has now: a later one voids it.
      const isItsAddress = claimant?.email === task.email && !claimant.emailOwned;
      if (!isItsAddress) return addressTakenMail({ to: account.email, publicUrl });
      const token = await newToken(ctx, tx, claimant.id, "email_change", CONFIRM_MS);
      return addressClaimedMail({ to: account.email, username: claimant.username, publicUrl, token });
    }
    case "address_change": {
      const holder = await findAccountByIdentifier(tx, ctx, task.email);
      const until = new Date(task.until);
      const mail = { to: task.email, publicUrl, token: task.token };
      if (!holder || holder.id === account.id) return addressChangeMail({ ...mail, until });
      if (holder.emailUnconfirmed) return addressClaimedMail({ ...mail, username: account.username });
      return addressTakenMail({ to: holder.email, publicUrl });
    }
    case "locked":
      return account.emailOwned ? lockedMail({ to: account.email, publicUrl }) : null;
  }
  if (task.email === null) return null;
  const mail = { to: task.email, publicUrl, at: new Date(task.at) };
  switch (task.name) {
    case "address_asked":
      return addressAskedMail(mail);
    case "address_changed":
      return addressChangedMail(mail);
    case "address_given":
      return addressGivenMail(mail);
    case "address_kept":
      return addressKeptMail(mail);
    case "address_wanted":
      return addressWantedMail({ ...mail, token: task.token, until: new Date(task.until) });
    case "username_changed":
      return usernameChangedMail(mail);
    case "password_changed":
      return passwordChangedMail({ ...mail, factors: task.factors });
    case "new_device":
      return newDeviceMail(mail);
    case "factors_changed":
      return factorsChangedMail({ ...mail, what: task.what });
  }
}

/** To an address of the settings, or to an account that still has one and may be signed in to. */
async function composeAlert(ctx: AuthContext, tx: Tx, task: AlertTask): Promise<Mail | null> {
  const account = task.userId === null ? null : await findAccount(tx, ctx, task.userId);
  const to = account?.emailOwned && isUsable(account) ? account.email : task.email;
  if (to === null || !(await isWithinLimit(ctx, tx, task.name, task.userId ?? to))) return null;
  return alertMail({ to, id: task.alertId, alert: task.alert });
}

async function accountOf(
  ctx: AuthContext,
  tx: Tx,
  task: Exclude<MailTask, { name: "reminder" | "alert" }>,
): Promise<Account | null> {
  if (task.name === "registered") return lockAccount(tx, ctx, task.userId);
  if ("userId" in task) return task.userId === null ? null : findAccount(tx, ctx, task.userId);
  const found = await findAccountByIdentifier(tx, ctx, task.email);
  if (!found || task.name !== "reset") return found;
  const account = await lockAccount(tx, ctx, found.id);
  return account && !account.disabled ? account : null;
}

async function isWithinLimit(
  ctx: AuthContext,
  tx: Tx,
  name: MailTask["name"],
  userId: string,
): Promise<boolean> {
  const limit = PER_RECIPIENT[name];
  if (!limit) return true;
  const bucket = blindToken(ctx.blindKey, "mail", name, userId);
  const account = accountToken(ctx, { id: userId });
  return reserveAttempt(tx, { bucket, account }, attemptStamp(ctx.now()), limit, ctx.now());
}

async function newToken(
  ctx: AuthContext,
  tx: Tx,
  userId: string,
  purpose: TokenPurpose,
  lifeMs: number,
): Promise<string> {
  const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
  const expiresAt = new Date(ctx.now().getTime() + lifeMs);
  await insertOneTimeToken(tx, { hash, userId, purpose, expiresAt }, ctx.now());
  return token;
}
