import { type Actor, auditEvent, deniedEvent, newId, type Register } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { EmailTaken, UsernameTaken } from "../accounts/account.errors.ts";
import { insertAccount, isAddressOwned, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, newAccount, recipientOf } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { registrationBuckets } from "../lockout/bucket.ts";
import { countMiss, requireUnlocked } from "../lockout/lockout.service.ts";
import { bucketLock } from "../lockout/lockout.store.ts";
import type { MailTask } from "../mail/mail-task.service.ts";
import { findOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { TokenInvalid } from "../tokens/token.errors.ts";

const REGISTRATION_DENIED = { type: "medvault.auth.registration.denied.v1", action: "user:register" };

/**
 * Makes a patient's account. Where the address is taken it is claimed only, which nothing in the
 * answer or in signing in shows: its owner gets a mail. Throws UsernameTaken (which counts),
 * WeakPassword, LoginLocked.
 */
export async function register(ctx: AuthContext, actor: Actor, input: Register): Promise<Account> {
  const [ofName, ofAddress] = registrationBuckets(ctx, actor, input.username);
  await requireUnlocked(ctx, actor, [ofName, ofAddress], REGISTRATION_DENIED);
  await ctx.passwordCheck.requireAcceptable(input.password, input, "password");
  const passwordHash = await ctx.hasher.hash(input.password);
  const account = newAccount({ ...input, id: newId(), role: "patient", passwordHash }, ctx.now());
  try {
    const isTaken = await isAddressOwned(ctx.pool, ctx, input.email);
    return await store(ctx, actor, account, isTaken).catch((error: unknown) => {
      if (error instanceof EmailTaken) return store(ctx, actor, account, true); // another was faster
      throw error;
    });
  } catch (error) {
    if (!(error instanceof UsernameTaken)) throw error;
    const isLocked = (await bucketLock(ctx.pool, ofName.bucket, ctx.now())) !== null;
    if (!isLocked && !(await countMiss(ctx, ofName))) await countMiss(ctx, ofAddress);
    const denied = { ...REGISTRATION_DENIED, subject: "user/unknown", reason: error.code };
    return ctx.refuse(error, deniedEvent(actor, denied));
  }
}

async function store(ctx: AuthContext, actor: Actor, fresh: Account, isTaken: boolean): Promise<Account> {
  const confirm = ctx.settings.confirmRegistration;
  const account = { ...fresh, emailOwned: !isTaken && !confirm, activated: !confirm };
  await inTransaction(ctx.pool, async (tx) => {
    const details = await insertAccount(tx, ctx, account);
    const event = auditEvent(actor, {
      type: "medvault.auth.user.registered.v1",
      subject: `user/${account.id}`,
      action: "user:register",
      reason: isTaken ? "address_taken" : "success",
      details: { ...details, role: account.role },
    });
    await emit(tx, "auth", event);
    const task: MailTask = isTaken
      ? { name: "address_taken", email: account.email }
      : { name: "registered", userId: account.id, confirm };
    await ctx.mails.later(tx, task);
  });
  return account;
}

/**
 * The mailed link of an address was used: of a registration, or of one that its account changed to.
 * Throws TokenInvalid, also when another account has the address by now.
 */
export async function confirmEmail(ctx: AuthContext, actor: Actor, token: string): Promise<void> {
  const hash = hashOpaqueToken(token);
  const found = await findOneTimeToken(ctx.pool, hash, ["email_change"], ctx.now());
  if (!found) throw new TokenInvalid();
  await inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, found.userId);
    if (!account?.pendingEmail || !(await useOneTimeToken(tx, hash, ctx.now()))) throw new TokenInvalid();
    const next = {
      ...account,
      email: account.pendingEmail,
      emailOwned: true,
      pendingEmail: null,
      activated: account.activated || account.passwordHash !== null, // a registration that waited for it
    };
    const { details } = await saveAccount(tx, ctx, next, ctx.now());
    const event = auditEvent(actor, {
      type: "medvault.auth.user.changed.v1",
      subject: `user/${account.id}`,
      action: "account:write",
      reason: "address_confirmed",
      fields: ["email"],
      details,
    });
    await emit(tx, "auth", event);
    const recipient = recipientOf(account, ctx.now());
    const email = recipient.email === next.email ? null : recipient.email;
    await ctx.mails.later(tx, { name: "address_changed", ...recipient, email });
  }).catch((error: unknown) => {
    throw error instanceof EmailTaken ? new TokenInvalid() : error;
  });
}
