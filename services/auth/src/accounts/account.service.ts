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
import { type AuthContext, announce } from "../context.ts";
import { addressChangeMail, addressTakenMail } from "../mail/mail.templates.ts";
import { TokenInvalid } from "../passwords/password.errors.ts";
import { findOneTimeToken, insertOneTimeToken, useOneTimeToken } from "../tokens/one-time-token.store.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";
import { EmailTaken, UsernameTaken } from "./account.errors.ts";
import {
  findAccount,
  findAccountByIdentifier,
  insertAccount,
  lockAccount,
  saveAccount,
} from "./account.store.ts";
import { type Account, newAccount } from "./account.ts";

const EMAIL_CHANGE_MS = 24 * 3600_000;

/** Registration, and one's own account. */
export function createAccounts(ctx: AuthContext) {
  /**
   * Makes a patient's account. A taken address is answered as a new one, and its owner gets a mail; nothing is made.
   * Throws UsernameTaken, WeakPassword.
   */
  async function register(actor: Actor, input: Register): Promise<Account> {
    await ctx.passwordCheck.assertAcceptable(input.password, input, "password");
    const passwordHash = await ctx.hasher.hash(input.password);
    const account = newAccount({ ...input, id: newId(), role: "patient", passwordHash }, ctx.now());
    try {
      await inTransaction(ctx.pool, async (tx) => {
        const details = await insertAccount(tx, ctx, account);
        await announce(
          tx,
          auditEvent(actor, {
            type: "medvault.auth.user.registered.v1",
            subject: `user/${account.id}`,
            action: "user:register",
            details: { ...details, role: account.role },
          }),
        );
      });
    } catch (error) {
      const taken = error instanceof UsernameTaken || error instanceof EmailTaken;
      if (!taken) throw error;
      // Both may be taken: the name is told, as it would be with a new address.
      const usernameTaken =
        error instanceof UsernameTaken ||
        (await findAccountByIdentifier(ctx.pool, ctx, input.username)) !== null;
      await ctx.record(registrationDenied(actor, usernameTaken ? "username_taken" : "email_taken"));
      if (usernameTaken) throw new UsernameTaken();
      tellOwner(input.email);
    }
    return account;
  }

  function tellOwner(email: string): void {
    ctx.mailer.later(async () => {
      const owner = await findAccountByIdentifier(ctx.pool, ctx, email);
      if (!owner) return;
      await ctx.mailer.deliver(addressTakenMail({ to: owner.email, publicUrl: ctx.settings.publicUrl }));
    });
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
    const link = newOpaqueToken();
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
    if (pendingEmail !== undefined) mailChange(saved.id, pendingEmail, link.token);
    return saved;
  }

  function mailChange(userId: string, email: string, token: string): void {
    const { publicUrl } = ctx.settings;
    ctx.mailer.later(async () => {
      const owner = await findAccountByIdentifier(ctx.pool, ctx, email);
      const taken = owner !== null && owner.id !== userId;
      await ctx.mailer.deliver(
        taken
          ? addressTakenMail({ to: owner.email, publicUrl })
          : addressChangeMail({ to: email, publicUrl, token }),
      );
    });
  }

  /** The mailed link of a new address was used. Throws TokenInvalid, also when somebody else has it by now. */
  async function confirmEmail(actor: Actor, token: string): Promise<void> {
    const hash = hashOpaqueToken(token);
    const found = await findOneTimeToken(ctx.pool, hash, ["email_change"], ctx.now());
    if (!found) throw new TokenInvalid();
    await inTransaction(ctx.pool, async (tx) => {
      const account = await lockAccount(tx, ctx, found.userId);
      if (!account?.pendingEmail || !(await useOneTimeToken(tx, hash, ctx.now()))) throw new TokenInvalid();
      const next = { ...account, email: account.pendingEmail, pendingEmail: null };
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
    }).catch((error: unknown) => {
      throw error instanceof EmailTaken ? new TokenInvalid() : error;
    });
  }

  return { register, me, change, confirmEmail };
}

export type Accounts = ReturnType<typeof createAccounts>;

function registrationDenied(actor: Actor, reason: string) {
  return deniedEvent(actor, {
    type: "medvault.auth.registration.denied.v1",
    subject: "user/unknown",
    action: "user:register",
    reason,
  });
}
