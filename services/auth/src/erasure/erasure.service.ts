import { type AnnouncedErasure, confirmedErasure, forgottenEvent } from "@medvault/contracts";
import { allFinalAt, eraseSubject, forgetAnswers, isAnyErased } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import { deleteAccount } from "../accounts/account.store.ts";
import { deleteFeedsOf } from "../calendar-feeds/calendar-feed.store.ts";
import type { AuthContext } from "../context.ts";
import { deleteDelegationsOf } from "../delegations/delegation.store.ts";
import { accountToken } from "../lockout/bucket.ts";
import { clearBucketsOf } from "../lockout/lockout.store.ts";
import { changeSessions, endSessionsOf } from "../sessions/session.service.ts";
import { sessionIdsOf } from "../sessions/session.store.ts";
import { lockPatientAccount } from "./erasure.store.ts";

/**
 * Drops the account that was the patient's, with all that is kept of it, and confirms it to
 * records. The account of someone who works here stays: it is theirs as staff. Told again, it
 * confirms again, with what has become final since. Throws Unavailable while Redis cannot learn of
 * an ended session.
 */
export async function forgetAccount(tx: Tx, ctx: AuthContext, erasure: AnnouncedErasure): Promise<void> {
  const id = erasure.accountId;
  if (id !== null) {
    // In a transaction of its own: Redis learns of it before records does.
    await dropAccount(ctx, erasure, id);
    await ctx.cache.remove(await sessionIdsOf(tx, id));
  }
  const finalAt = id !== null && (await isAnyErased(tx, [id])) ? await allFinalAt(tx, [id]) : ctx.now();
  await emit(tx, "auth", confirmedErasure("auth", erasure, ctx.now(), finalAt));
}

function dropAccount(ctx: AuthContext, erasure: AnnouncedErasure, id: string): Promise<void> {
  return changeSessions(ctx, async (change) => {
    const { tx } = change;
    const found = await lockPatientAccount(tx, ctx, id);
    if (!found) return;
    await endSessionsOf(ctx, change, null, { userId: id, except: null, reason: "account_deleted" });
    await clearBucketsOf(tx, accountToken(ctx, { id }), ctx.now());
    await deleteFeedsOf(tx, id);
    await deleteDelegationsOf(tx, id);
    const mails = await ctx.mails.forget(tx, id, found.addresses);
    await deleteAccount(tx, id);
    await eraseSubject(tx, ctx.keyring, id);
    const answers = await forgetAnswers(tx, ctx.keyring, new Set([id]));
    await emit(tx, "auth", forgottenEvent("auth", erasure, { accounts: 1, mails, answers }));
  });
}
