import {
  type AccountPatch,
  type Actor,
  auditEvent,
  deniedEvent,
  newId,
  type Register,
  Unauthenticated,
  VersionConflict,
} from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { EmailTaken, UsernameTaken } from "../accounts/account.errors.ts";
import {
  findAccount,
  insertAccount,
  isAddressOwned,
  lockAccount,
  saveAccount,
} from "../accounts/account.store.ts";
import { type Account, newAccount } from "../accounts/account.ts";
import { type AuthContext, announce } from "../context.ts";
import { type AddressLane, assertOpen, countMiss, registrationLanes } from "../lockout/lockout.service.ts";
import { laneLock } from "../lockout/lockout.store.ts";
import { type MailTask, toldAt } from "../mail/mail-task.service.ts";
import { TokenInvalid } from "../passwords/password.errors.ts";
import { markRecorded } from "../recorded.ts";
import { findOneTimeToken, insertOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";

const REGISTRATION_DENIED = { type: "medvault.auth.registration.denied.v1", action: "user:register" };
const EMAIL_CHANGE_MS = 24 * 3600_000;

/** Registration, and one's own account. */
export function createAccounts(ctx: AuthContext) {
  /**
   * Makes a patient's account. Where the address is taken it is claimed only, which nothing in the answer or in signing in
   * shows: its owner gets a mail. Throws UsernameTaken (which counts), WeakPassword, LoginLocked.
   */
  async function register(actor: Actor, input: Register): Promise<Account> {
    const [name, address] = registrationLanes(ctx, actor, input.username);
    await assertOpen(ctx, actor, [name, address], REGISTRATION_DENIED);
    await ctx.passwordCheck.assertAcceptable(input.password, input, "password");
    const passwordHash = await ctx.hasher.hash(input.password);
    const account = newAccount({ ...input, id: newId(), role: "patient", passwordHash }, ctx.now());
    try {
      const isTaken = await isAddressOwned(ctx.pool, ctx, input.email);
      return await store(actor, account, isTaken).catch((error: unknown) => {
        if (error instanceof EmailTaken) return store(actor, account, true); // somebody was faster
        throw error;
      });
    } catch (error) {
      if (!(error instanceof UsernameTaken)) throw error;
      if (!(await isLocked(name)) && !(await countMiss(ctx, name))) await countMiss(ctx, address);
      await ctx.record(
        deniedEvent(actor, { ...REGISTRATION_DENIED, subject: "user/unknown", reason: error.code }),
      );
      throw markRecorded(error);
    }
  }

  async function isLocked({ name }: AddressLane): Promise<boolean> {
    return (await laneLock(ctx.pool, name, ctx.now())) !== null;
  }

  async function store(actor: Actor, fresh: Account, isTaken: boolean): Promise<Account> {
    const confirm = ctx.settings.confirmRegistration;
    const account = { ...fresh, emailOwned: !isTaken && !confirm, activated: !confirm };
    await inTransaction(ctx.pool, async (tx) => {
      const details = await insertAccount(tx, ctx, account);
      await announce(
        tx,
        auditEvent(actor, {
          type: "medvault.auth.user.registered.v1",
          subject: `user/${account.id}`,
          action: "user:register",
          reason: isTaken ? "address_taken" : "success",
          details: { ...details, role: account.role },
        }),
      );
      const task: MailTask = isTaken
        ? { name: "address_taken", email: account.email }
        : { name: "registered", userId: account.id, confirm };
      await ctx.mails.later(tx, task);
    });
    return account;
  }

  /** The caller's account; leaves an event. Throws Unauthenticated when it is gone. */
  async function me(actor: Actor): Promise<Account> {
    const account = await findAccount(ctx.pool, ctx, actor.id);
    if (!account) throw new Unauthenticated();
    await ctx.record(
      auditEvent(actor, {
        type: "medvault.auth.user.read.v1",
        subject: `user/${account.id}`,
        action: "account:read",
        reason: "own",
      }),
    );
    return account;
  }

  /**
   * Changes the caller's account. A new address takes effect when its mailed link is used; one that is taken is
   * answered alike, and its owner gets a mail. `rev`: what the caller has seen, or null. Throws UsernameTaken,
   * VersionConflict.
   */
  async function change(actor: Actor, patch: AccountPatch, rev: number | null): Promise<Account> {
    const link = newOpaqueToken(ctx.settings.tokenBytes);
    const pendingEmail = patch.email;
    const saved = await inTransaction(ctx.pool, async (tx) => {
      const account = await lockAccount(tx, ctx, actor.id);
      if (!account) throw new Unauthenticated();
      if (rev !== null && rev !== account.rev) throw new VersionConflict();
      const next = {
        ...account,
        ...(patch.username === undefined ? {} : { username: patch.username }),
        ...(pendingEmail === undefined ? {} : { pendingEmail }),
      };
      const written = await saveAccount(tx, ctx, next, ctx.now());
      if (pendingEmail !== undefined) {
        const expiresAt = new Date(ctx.now().getTime() + EMAIL_CHANGE_MS);
        const token = { hash: link.hash, userId: account.id, purpose: "email_change" as const, expiresAt };
        await insertOneTimeToken(tx, token, ctx.now());
        const mailed = { name: "address_change" as const, userId: account.id, email: pendingEmail };
        await ctx.mails.later(tx, { ...mailed, token: link.token });
      }
      await announce(
        tx,
        auditEvent(actor, {
          type: "medvault.auth.user.changed.v1",
          subject: `user/${account.id}`,
          action: "account:write",
          fields: Object.keys(patch),
          details: written.details,
        }),
      );
      return written.account;
    });
    return saved;
  }

  /** The mailed link of a new address was used. Throws TokenInvalid, also when somebody else has it by now. */
  async function confirmEmail(actor: Actor, token: string): Promise<void> {
    const hash = hashOpaqueToken(token);
    const found = await findOneTimeToken(ctx.pool, hash, ["email_change"], ctx.now());
    if (!found) throw new TokenInvalid();
    await inTransaction(ctx.pool, async (tx) => {
      const account = await lockAccount(tx, ctx, found.userId);
      if (!account?.pendingEmail || !(await useOneTimeToken(tx, hash, ctx.now()))) throw new TokenInvalid();
      const activated = account.activated || account.passwordHash !== null; // a registration that waited for it
      const next = {
        ...account,
        email: account.pendingEmail,
        emailOwned: true,
        pendingEmail: null,
        activated,
      };
      const { details } = await saveAccount(tx, ctx, next, ctx.now());
      await announce(
        tx,
        auditEvent(actor, {
          type: "medvault.auth.user.changed.v1",
          subject: `user/${account.id}`,
          action: "account:write",
          reason: "address_confirmed",
          fields: ["email"],
          details,
        }),
      );
      const told = toldAt(ctx, account);
      const isSame = told.email === next.email;
      await ctx.mails.later(tx, { name: "address_changed", ...told, email: isSame ? null : told.email });
    }).catch((error: unknown) => {
      throw error instanceof EmailTaken ? new TokenInvalid() : error;
    });
  }

  return { register, me, change, confirmEmail };
}

export type Accounts = ReturnType<typeof createAccounts>;
