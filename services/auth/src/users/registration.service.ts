import { type Actor, auditEvent, deniedEvent, Forbidden, newId, type Register } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { EmailTaken, UsernameTaken } from "../accounts/account.errors.ts";
import { findHolder, insertAccount } from "../accounts/account.store.ts";
import { type Account, newAccount } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { registrationBuckets } from "../lockout/bucket.ts";
import { countMiss, requireUnlocked } from "../lockout/lockout.service.ts";
import { bucketLock } from "../lockout/lockout.store.ts";
import type { MailTask } from "../mail/mail-task.service.ts";
import { getRole } from "../roles/role.store.ts";

const REGISTRATION_DENIED = { type: "medvault.auth.registration.denied.v1", action: "user:register" };

/**
 * Makes a patient's account. Where the address is taken it is claimed only, which nothing in the
 * answer or in signing in shows: its owner gets a mail, by which they may show whose it is where
 * nobody has yet. Throws UsernameTaken (which counts), WeakPassword, LoginLocked, and Forbidden
 * where guests may not register.
 */
export async function register(ctx: AuthContext, actor: Actor, input: Register): Promise<Account> {
  // What guests may do is in Postgres at once, whatever the gateway knew of it.
  const { permissions } = await getRole(ctx.pool, "guest");
  if (!permissions.includes("account:register:own"))
    throw new Forbidden("Nobody registers themselves here. Ask for an invitation.");
  const [ofName, ofAddress] = registrationBuckets(ctx, actor, input.username);
  await requireUnlocked(ctx, actor, [ofName, ofAddress], REGISTRATION_DENIED);
  await ctx.passwordCheck.requireAcceptable(input.password, input, "password");
  const passwordHash = await ctx.hasher.hash(input.password);
  const fixed = { id: newId(), role: "patient", maxSessions: ctx.settings.sessionsPerUser } as const;
  const account = newAccount({ ...input, ...fixed, passwordHash }, ctx.now());
  try {
    const isTaken = (await findHolder(ctx.pool, ctx, input.email)) !== null;
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
  const emailOwned = !isTaken && !confirm;
  const account = { ...fresh, emailOwned, emailUnconfirmed: true, activated: !confirm };
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
      ? { name: "address_taken", email: account.email, claimantId: account.id }
      : { name: "registered", userId: account.id, confirm };
    await ctx.mails.later(tx, task);
  });
  return account;
}
