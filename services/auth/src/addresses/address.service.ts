import { type Actor, auditEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { EmailTaken } from "../accounts/account.errors.ts";
import { findHolder, lockAccount, saveAccount } from "../accounts/account.store.ts";
import { type Account, recipientOf } from "../accounts/account.ts";
import { findDueAddresses } from "../accounts/account-list.store.ts";
import type { AuthContext } from "../context.ts";
import {
  deleteOneTimeTokens,
  findOneTimeToken,
  insertOneTimeToken,
  type TokenPurpose,
  useOneTimeToken,
} from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";
import { TokenInvalid } from "../tokens/token.errors.ts";

const OWN_CHANGE_MS = 24 * 3600_000;
const DUE_AT_ONCE = 100;
/** What was mailed to an address about its account, and must not open anything for it any more. */
const MAILED = ["password_reset", "invitation", "email_change", "address_objection"] as const;

/**
 * The account with a change of its address that waits: of one's own until the link mailed to the
 * new address is used; of an admin's also until the time is over in which the present address may
 * object. The present one is told. The caller saves it. No later change leaves an older link good.
 */
export async function awaitAddress(
  ctx: AuthContext,
  tx: Tx,
  account: Account,
  { email, by }: { email: string; by: "owner" | "admin" },
): Promise<Account> {
  const waitMs = by === "admin" ? ctx.settings.addressObjectionMs : OWN_CHANGE_MS;
  const expiresAt = new Date(ctx.now().getTime() + waitMs);
  const until = expiresAt.toISOString();
  const mailed = async (purpose: TokenPurpose) => {
    const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
    await insertOneTimeToken(tx, { hash, userId: account.id, purpose, expiresAt }, ctx.now());
    return token;
  };
  const token = await mailed("email_change");
  await ctx.mails.later(tx, { name: "address_change", userId: account.id, email, token, until });
  if (by === "owner") {
    await deleteOneTimeTokens(tx, account.id, ["address_objection"]);
    const told = recipientOf(account, ctx.now());
    if (told.email !== email) await ctx.mails.later(tx, { name: "address_asked", ...told });
    return { ...account, pendingEmail: email, pendingUntil: null };
  }
  const objection = { token: await mailed("address_objection"), until, ...recipientOf(account, ctx.now()) };
  await ctx.mails.later(tx, { name: "address_wanted", ...objection });
  return { ...account, pendingEmail: email, pendingUntil: until };
}

/** The account without a change of its address that waited; its links are void. */
export async function withdrawAddress(tx: Tx, account: Account): Promise<Account> {
  await deleteOneTimeTokens(tx, account.id, ["email_change", "address_objection"]);
  return { ...account, pendingEmail: null, pendingUntil: null };
}

/**
 * The account with an address that it has from now on; the caller saves it. `confirmed`: a link
 * mailed there was used just now. Then an account that has the address and never confirmed it loses
 * it, and claims it only. Throws EmailTaken where another has it by right.
 */
export async function withAddress(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor | null,
  account: Account,
  { email, confirmed }: { email: string; confirmed: boolean },
): Promise<Account> {
  const found = await findHolder(tx, ctx, email);
  const holder = found && found.id !== account.id ? await lockAccount(tx, ctx, found.id) : null;
  if (holder?.emailOwned) {
    if (!confirmed || !holder.emailUnconfirmed) throw new EmailTaken();
    const loser = { ...holder, emailOwned: false, pendingEmail: null, pendingUntil: null };
    const { details } = await saveAccount(tx, ctx, loser, ctx.now());
    await deleteOneTimeTokens(tx, loser.id, MAILED);
    await emit(tx, "auth", addressEvent(actor, loser.id, "address_lost", details));
  }
  return {
    ...account,
    email,
    emailOwned: true,
    emailUnconfirmed: false,
    pendingEmail: null,
    pendingUntil: null,
  };
}

/**
 * The mailed link of an address was used: of a registration, or of one that its account is to have.
 * Throws TokenInvalid, also when another account has the address by now.
 */
export async function confirmAddress(ctx: AuthContext, actor: Actor, token: string): Promise<void> {
  const hash = hashOpaqueToken(token);
  const found = await findOneTimeToken(ctx.pool, hash, ["email_change"], ctx.now());
  if (!found) throw new TokenInvalid();
  await inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, found.userId);
    if (!account || account.disabled || !(await useOneTimeToken(tx, hash, ctx.now())))
      throw new TokenInvalid();
    await takeEffect(ctx, tx, account, { actor, confirmed: true, reason: "address_confirmed" });
  }).catch((error: unknown) => {
    throw error instanceof EmailTaken ? new TokenInvalid() : error;
  });
}

/**
 * The present address keeps its account: an admin's change of it is off. Of an objection and a
 * confirmation at once the first wins. Throws TokenInvalid.
 */
export async function objectToAddress(ctx: AuthContext, actor: Actor, token: string): Promise<void> {
  const hash = hashOpaqueToken(token);
  const found = await findOneTimeToken(ctx.pool, hash, ["address_objection"], ctx.now());
  if (!found) throw new TokenInvalid();
  await inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, found.userId);
    if (!account?.pendingUntil || !(await useOneTimeToken(tx, hash, ctx.now()))) throw new TokenInvalid();
    await callOff(ctx, tx, account, { actor, reason: "address_objected" });
  });
}

/** Admins' changes of addresses take effect where nobody objected in time. */
export async function settleAddresses(ctx: AuthContext): Promise<void> {
  for (const id of await findDueAddresses(ctx.pool, ctx.now(), DUE_AT_ONCE)) {
    const settle = (isTaken: boolean) =>
      inTransaction(ctx.pool, async (tx) => {
        const account = await lockAccount(tx, ctx, id);
        const until = account?.pendingUntil;
        if (!account || !until || new Date(until) > ctx.now()) return;
        if (isTaken) return callOff(ctx, tx, account, { actor: null, reason: "address_taken" });
        return takeEffect(ctx, tx, account, {
          actor: null,
          confirmed: false,
          reason: "address_not_objected",
        });
      });
    await settle(false)
      .catch((error: unknown) => {
        if (!(error instanceof EmailTaken)) throw error;
        return settle(true);
      })
      // One account that cannot be opened holds up no other.
      .catch((err: unknown) => ctx.logger.error({ err, userId: id }, "an address could not be settled"));
  }
}

async function takeEffect(
  ctx: AuthContext,
  tx: Tx,
  account: Account,
  { actor, confirmed, reason }: { actor: Actor | null; confirmed: boolean; reason: string },
): Promise<void> {
  const email = account.pendingEmail;
  if (email === null) throw new TokenInvalid();
  const next = {
    ...(await withAddress(ctx, tx, actor, account, { email, confirmed })),
    activated: account.activated || account.passwordHash !== null, // a registration that waited for it
  };
  const { details } = await saveAccount(tx, ctx, next, ctx.now());
  await deleteOneTimeTokens(tx, account.id, MAILED);
  await emit(tx, "auth", addressEvent(actor, account.id, reason, details));
  await tellOfAddress(ctx, tx, account, next);
}

/** Mails the old and the new address of an account, where they are not one, that it has the new. */
export async function tellOfAddress(
  ctx: AuthContext,
  tx: Tx,
  before: Account,
  after: Account,
): Promise<void> {
  const [old, given] = [recipientOf(before, ctx.now()), recipientOf(after, ctx.now())];
  if (old.email === null || old.email === given.email) return;
  await ctx.mails.later(tx, { name: "address_changed", ...old });
  await ctx.mails.later(tx, { name: "address_given", ...given });
}

async function callOff(
  ctx: AuthContext,
  tx: Tx,
  account: Account,
  { actor, reason }: { actor: Actor | null; reason: string },
): Promise<void> {
  const { details } = await saveAccount(tx, ctx, await withdrawAddress(tx, account), ctx.now());
  await emit(tx, "auth", addressEvent(actor, account.id, reason, details));
  await ctx.mails.later(tx, { name: "address_kept", ...recipientOf(account, ctx.now()) });
}

function addressEvent(
  actor: Actor | null,
  userId: string,
  reason: string,
  details: Record<string, string | number>,
) {
  return auditEvent(actor, {
    type: "medvault.auth.user.changed.v1",
    subject: `user/${userId}`,
    action: "account:write",
    reason,
    fields: ["email"],
    details,
  });
}
