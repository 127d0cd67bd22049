import { type Actor, NotFound } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Db } from "@medvault/postgres";
import { lockAccount, saveAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { countRecoveryCodes } from "../mfa/mfa.store.ts";
import { factorsChanged, notifyOfFactors, removeAllFactors } from "../mfa/second-factor.service.ts";
import { passkeyEvent } from "../passkeys/passkey.events.ts";
import { deletePasskey, listPasskeys } from "../passkeys/passkey.store.ts";
import type { Passkey } from "../passkeys/passkey.ts";
import { WouldLockOut } from "../roles/role.errors.ts";
import { auditSelfLockout } from "../roles/role.service.ts";
import { changeSessions, endSessionsOf } from "../sessions/session.service.ts";
import { deleteOneTimeTokens } from "../tokens/one-time-token.store.ts";

/** Which second factors an account has, as admins see them. */
export interface Factors {
  totp: boolean;
  passkeys: Passkey[];
  recoveryCodesLeft: number;
}

export async function factorsOf(ctx: AuthContext, db: Db, account: Account): Promise<Factors> {
  return {
    totp: account.totpSecret !== null,
    passkeys: await listPasskeys(db, ctx.keyring, account.id),
    recoveryCodesLeft: account.mfaEnabled ? await countRecoveryCodes(db, account.id) : 0,
  };
}

/**
 * An admin removes a factor that a user cannot use any more, or that is not theirs: `totp`,
 * `passkeys` (all of them) or the id of one. The user is told, and all sessions and half sign-ins
 * end. With the last factor its recovery codes go; a role that must have one sets it up at the next
 * sign-in. Never one's own: that takes the password (POST /v1/auth/mfa/disable). Throws NotFound,
 * WouldLockOut.
 */
export async function removeFactor(
  ctx: AuthContext,
  actor: Actor,
  id: string,
  factor: string,
): Promise<void> {
  await auditSelfLockout(ctx, actor, { subject: `user/${id}`, action: "mfa:write" }, () =>
    changeSessions(ctx, async (change) => {
      const { tx } = change;
      if (actor.id === id) throw new WouldLockOut();
      const account = await lockAccount(tx, ctx, id);
      if (!account) throw new NotFound();
      const { totp, passkeys } = await factorsOf(ctx, tx, account);
      const removed = factor === "passkeys" ? passkeys : passkeys.filter((known) => known.id === factor);
      if (factor === "totp" ? !totp : removed.length === 0) throw new NotFound();
      for (const passkey of removed) {
        await deletePasskey(tx, passkey.id);
        await emit(tx, "auth", passkeyEvent(actor, "removed", `passkey/${passkey.id}`, { user: id }));
      }
      const hasTotp = totp && factor !== "totp";
      const isLast = !hasTotp && passkeys.length === removed.length;
      const kept = hasTotp ? account : { ...account, totpSecret: null, pendingTotp: null };
      const { next } = isLast ? await removeAllFactors(tx, kept) : { next: kept };
      const { details } = await saveAccount(tx, ctx, next, ctx.now());
      const what = isLast ? "mfa.disabled" : "mfa.factor-removed";
      const kind = factor === "totp" ? "totp" : "passkeys";
      await emit(tx, "auth", factorsChanged(actor, what, { ...details, factor: kind }, id));
      await notifyOfFactors(ctx, tx, account, `${kind}_removed_by_admin`);
      await deleteOneTimeTokens(tx, id, ["mfa_login"]);
      await endSessionsOf(ctx, change, actor, { userId: id, except: null, reason: "factor_changed" });
    }),
  );
}
