import {
  type Actor,
  auditEvent,
  type NewUser,
  NotFound,
  newId,
  type UserPatch,
  VersionConflict,
} from "@medvault/contracts";
import { inTransaction, type Tx } from "@medvault/postgres";
import { LastAdmin } from "../accounts/account.errors.ts";
import {
  type AccountFilter,
  findAccount,
  insertAccount,
  listAccounts,
  lockAccount,
  saveAccount,
} from "../accounts/account.store.ts";
import { type Account, isActiveAdmin, newAccount } from "../accounts/account.ts";
import { type AuthContext, announce, changeSessions, type SessionEffects } from "../context.ts";
import { sessionEnded } from "../grants/issuance.service.ts";
import { accountToken } from "../lockout/bucket.ts";
import { clearAccount } from "../lockout/lockout.store.ts";
import { invitationMail } from "../mail/mail.ts";
import { keepingRights } from "../roles/kept-rights.ts";
import { WouldLockOut } from "../roles/role.errors.ts";
import { endSessionsOf } from "../sessions/session.store.ts";
import type { EndReason } from "../sessions/session.ts";
import { deleteOneTimeTokens, insertOneTimeToken } from "../tokens/one-time-token.store.ts";
import { newOpaqueToken } from "../tokens/opaque-token.ts";
import { deleteAccount, lockActiveAdmins } from "./user.store.ts";

const INVITATION_MS = 72 * 3600_000;

/** Accounts as admins see them. */
export function createUsers(ctx: AuthContext) {
  /** Accounts, newest first; leaves one event. */
  async function list(actor: Actor, filter: AccountFilter): Promise<Account[]> {
    const accounts = await listAccounts(ctx.pool, ctx, filter);
    await ctx.record(
      auditEvent(actor, {
        type: "medvault.auth.user.listed.v1",
        subject: "users",
        action: "user:read",
        reason: "any",
        details: { count: accounts.length },
      }),
    );
    return accounts;
  }

  /** Throws NotFound. */
  async function read(actor: Actor, id: string): Promise<Account> {
    const account = await findAccount(ctx.pool, ctx, id);
    if (!account) throw new NotFound();
    await ctx.record(userEvent(actor, "read", id, "user:read"));
    return account;
  }

  /** Makes an account and mails its invitation: the token is nowhere else. Throws UsernameTaken, EmailTaken. */
  async function invite(actor: Actor, input: NewUser): Promise<Account> {
    const account = newAccount({ ...input, id: newId(), passwordHash: null }, ctx.now());
    const { token, hash } = newOpaqueToken(ctx.settings.tokenBytes);
    const expiresAt = new Date(ctx.now().getTime() + INVITATION_MS);
    const { publicUrl } = ctx.settings;
    await inTransaction(ctx.pool, async (tx) => {
      const details = await insertAccount(tx, ctx, account);
      await insertOneTimeToken(tx, { hash, userId: account.id, purpose: "invitation", expiresAt }, ctx.now());
      const mail = invitationMail({ to: account.email, username: account.username, publicUrl, token });
      await ctx.mails.send(tx, "invitation", mail);
      await announce(
        tx,
        userEvent(actor, "created", account.id, "user:write", { ...details, role: account.role }),
      );
    });
    return account;
  }

  /**
   * Changes an account. Another role, or its disabling, ends its sessions; another address voids what was mailed to
   * the old one. `rev`: what the admin has seen, or null. Nobody takes their own rights. Throws NotFound,
   * VersionConflict, LastAdmin, WouldLockOut, UsernameTaken, EmailTaken.
   */
  async function change(actor: Actor, id: string, patch: UserPatch, rev: number | null): Promise<Account> {
    return keepingRights(ctx, actor, { subject: `user/${id}`, action: "user:write" }, () =>
      applyChange(actor, id, patch, rev),
    );
  }

  function applyChange(actor: Actor, id: string, patch: UserPatch, rev: number | null): Promise<Account> {
    return changeSessions(ctx, async (tx, effects) => {
      const mayDemote = patch.role !== undefined || patch.disabled !== undefined;
      const admins = mayDemote ? await lockActiveAdmins(tx) : [];
      const account = await lockForAdmin(tx, id, rev);
      // An admin vouches for the address that they give.
      const given = patch.email === undefined ? {} : { emailOwned: true, pendingEmail: null };
      const next: Account = { ...account, ...defined(patch), ...given };
      if (isActiveAdmin(account) && !isActiveAdmin(next)) assertAnotherAdmin(admins, id);
      if (actor.id === id && (next.role !== account.role || next.disabled)) throw new WouldLockOut();
      const saved = await saveAccount(tx, ctx, next, ctx.now());
      await announce(
        tx,
        auditEvent(actor, {
          type: "medvault.auth.user.changed.v1",
          subject: `user/${id}`,
          action: "user:write",
          fields: Object.keys(patch),
          details: { ...saved.details, role: next.role, disabled: next.disabled },
        }),
      );
      if (next.email !== account.email) {
        await deleteOneTimeTokens(tx, id, ["password_reset", "invitation", "email_change"]);
      }
      if (next.role !== account.role || next.disabled) {
        await deleteOneTimeTokens(tx, id, ["mfa_login"]);
        await endAll(tx, effects, actor, id, "account_changed");
      }
      return saved.account;
    });
  }

  /**
   * Deletes an account and the key to what is left of it. Never one's own. Throws NotFound,
   * VersionConflict, LastAdmin, WouldLockOut.
   */
  async function remove(actor: Actor, id: string, rev: number | null): Promise<void> {
    const what = { subject: `user/${id}`, action: "user:delete" };
    await keepingRights(ctx, actor, what, () =>
      changeSessions(ctx, async (tx, effects) => {
        const admins = await lockActiveAdmins(tx);
        const account = await lockForAdmin(tx, id, rev);
        if (isActiveAdmin(account)) assertAnotherAdmin(admins, id);
        if (actor.id === id) throw new WouldLockOut();
        await endAll(tx, effects, actor, id, "account_deleted");
        await clearAccount(tx, accountToken(ctx, { id }), ctx.now());
        await deleteAccount(tx, id);
        await announce(tx, userEvent(actor, "deleted", id, "user:delete"));
      }),
    );
  }

  /** Lifts the lockouts of an account. Throws NotFound. */
  async function unlock(actor: Actor, id: string): Promise<void> {
    await inTransaction(ctx.pool, async (tx) => {
      if (!(await lockAccount(tx, ctx, id))) throw new NotFound();
      const { lanes, locked: count } = await clearAccount(tx, accountToken(ctx, { id }), ctx.now());
      await ctx.lanes.clear(lanes); // a Redis that cannot be told would go on refusing: then nothing is lifted
      await announce(tx, userEvent(actor, "unlocked", id, "user:write", { count }));
    });
  }

  /** How many sessions the account may have at once; what is over it ends at the next sign-in. Throws NotFound. */
  async function limitSessions(actor: Actor, id: string, maxSessions: number): Promise<Account> {
    return inTransaction(ctx.pool, async (tx) => {
      const account = await lockForAdmin(tx, id, null);
      const saved = await saveAccount(tx, ctx, { ...account, maxSessions }, ctx.now());
      const details = { ...saved.details, maxConcurrent: maxSessions };
      await announce(tx, userEvent(actor, "session-limit-changed", id, "user:write", details));
      return saved.account;
    });
  }

  async function lockForAdmin(tx: Tx, id: string, rev: number | null): Promise<Account> {
    const account = await lockAccount(tx, ctx, id);
    if (!account) throw new NotFound();
    if (rev !== null && rev !== account.rev) throw new VersionConflict();
    return account;
  }

  async function endAll(
    tx: Tx,
    effects: SessionEffects,
    actor: Actor,
    id: string,
    reason: EndReason,
  ): Promise<void> {
    const ended = await endSessionsOf(tx, id, null, reason, ctx.now());
    effects.ended.push(...ended);
    await announce(tx, ...ended.map((sid) => sessionEnded(actor, sid, reason)));
  }

  return { list, read, invite, change, remove, unlock, limitSessions };
}

export type Users = ReturnType<typeof createUsers>;

function assertAnotherAdmin(admins: readonly string[], id: string): void {
  if (!admins.some((admin) => admin !== id)) throw new LastAdmin();
}

/** Fields that were given; `undefined` must not overwrite. */
function defined(patch: UserPatch): Partial<Account> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

function userEvent(
  actor: Actor,
  what: string,
  id: string,
  action: string,
  details?: Record<string, string | number | boolean>,
) {
  return auditEvent(actor, {
    type: `medvault.auth.user.${what}.v1`,
    subject: `user/${id}`,
    action,
    reason: "any",
    ...(details && { details }),
  });
}
