import {
  type Actor,
  auditEvent,
  type PreferencesPatch,
  type PreferencesView,
  REMINDERS,
  type Reminder,
  Unauthenticated,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { findAccount, lockAccount, saveAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { TokenInvalid } from "../tokens/token.errors.ts";
import { readStopToken } from "./stop-token.ts";

/** How the caller is reminded; leaves an event. Throws Unauthenticated when the account is gone. */
export async function readPreferences(ctx: AuthContext, actor: Actor): Promise<PreferencesView> {
  const account = await findAccount(ctx.pool, ctx, actor.id);
  if (!account) throw new Unauthenticated();
  await ctx.record(
    auditEvent(actor, {
      type: "medvault.auth.preferences.read.v1",
      subject: `user/${account.id}`,
      action: "account:read",
      reason: "own",
    }),
  );
  return viewOf(ctx, account);
}

/** Changes how the caller is reminded. Throws Unauthenticated when the account is gone. */
export function changePreferences(
  ctx: AuthContext,
  actor: Actor,
  { reminders = {}, ...patch }: PreferencesPatch,
): Promise<PreferencesView> {
  return inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    const { language = account.language, timeZone = account.timeZone } = patch;
    const stoppedReminders = REMINDERS.filter((kind) =>
      reminders[kind] === undefined ? account.stoppedReminders.includes(kind) : !reminders[kind],
    );
    const fields = [...Object.keys(patch), ...Object.keys(reminders).map((kind) => `reminders.${kind}`)];
    return viewOf(
      ctx,
      await save(ctx, tx, actor, { ...account, language, timeZone, stoppedReminders }, fields),
    );
  });
}

/**
 * Stops the reminders that a mailed link is of, and nothing else; once more it changes nothing.
 * Throws TokenInvalid.
 */
export async function stopReminders(ctx: AuthContext, actor: Actor, token: string): Promise<void> {
  const found = readStopToken(ctx.blindKey, token);
  if (!found) throw new TokenInvalid();
  const { userId, kind } = found;
  await inTransaction(ctx.pool, async (tx) => {
    const account = await lockAccount(tx, ctx, userId);
    if (!account || account.stoppedReminders.includes(kind)) return;
    const stoppedReminders: Reminder[] = [...account.stoppedReminders, kind];
    await save(ctx, tx, actor, { ...account, stoppedReminders }, [`reminders.${kind}`], "mailed_link");
  });
}

async function save(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  account: Account,
  fields: readonly string[],
  reason = "own",
): Promise<Account> {
  const saved = await saveAccount(tx, ctx, account, ctx.now());
  const event = auditEvent(actor, {
    type: "medvault.auth.preferences.changed.v1",
    subject: `user/${account.id}`,
    action: "account:write",
    reason,
    fields,
    details: saved.details,
  });
  await emit(tx, "auth", event);
  return saved.account;
}

function viewOf({ settings }: AuthContext, account: Account): PreferencesView {
  const isOn = (kind: Reminder) => !account.stoppedReminders.includes(kind);
  return {
    language: account.language ?? settings.language,
    timeZone: account.timeZone ?? settings.clinicTimeZone,
    reminders: { prescriptions: isOn("prescriptions"), appointments: isOn("appointments") },
  };
}
