import type { Actor, NewEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import type { AccountSeals } from "./accounts/account.store.ts";
import { GrantLocked, GrantRefused } from "./grants/grant.errors.ts";
import type { LaneCounter } from "./lockout/bucket-counter.store.ts";
import type { LockoutRules } from "./lockout/lockout.ts";
import type { MailQueue } from "./mail/mail-queue.service.ts";
import type { RelyingParty } from "./passkeys/relying-party.ts";
import type { PasswordCheck } from "./passwords/password-check.ts";
import type { PasswordHasher } from "./passwords/password-hasher.service.ts";
import type { StrengthMeter } from "./passwords/password-strength.service.ts";
import { markRecorded } from "./recorded.ts";
import { SessionLimitReached } from "./sessions/session.errors.ts";
import type { Session } from "./sessions/session.ts";
import type { BindingSettings } from "./sessions/session-binding.ts";
import type { SessionCache } from "./sessions/session-cache.store.ts";
import type { AccessTokenSigner } from "./signing-keys/access-token.service.ts";

/** Lengths of time and counts that an operator may set. */
export interface AuthSettings {
  issuer: string;
  publicUrl: string;
  /** Who passkeys are made for. */
  passkeys: RelyingParty;
  accessTokenSeconds: number;
  stepUpSeconds: number;
  idleMs: number;
  absoluteStaffMs: number;
  absolutePatientMs: number;
  /** Every session ends when the signing key turns (I13). */
  dailyReset: boolean;
  lockout: LockoutRules;
  /** Of refresh, reset, invitation and half-finished sign-ins' tokens. */
  tokenBytes: number;
  recoveryCodeCharacters: number;
  /** Whether a registered account waits until its address is confirmed. */
  confirmRegistration: boolean;
  /** How long before a session's idle end a client should warn. */
  idleWarningMs: number;
  binding: BindingSettings;
  /** What a sign-in over the limit of sessions does. */
  sessionLimit: "end-oldest" | "refuse";
}

/** What the use cases of auth share; joined in app.ts. */
export interface AuthContext extends AccountSeals {
  pool: pg.Pool;
  /** Key of the blind tokens of addresses, lockout lanes and recovery codes. */
  blindKey: Buffer;
  /** Key of the CSRF tokens of cookie sessions. */
  csrfKey: Buffer;
  /** Where an address is, roughly; null where nothing is known. */
  locate(ip: string): string | null;
  hasher: PasswordHasher;
  passwordCheck: PasswordCheck;
  strength: StrengthMeter;
  signer: AccessTokenSigner;
  cache: SessionCache;
  lanes: LaneCounter;
  /** Events of refusals and reads; resolves once they are committed. */
  record(...events: NewEvent[]): Promise<void>;
  mails: MailQueue;
  now(): Date;
  settings: AuthSettings;
  logger: Logger;
}

/** Refusals that bring their own event. */
const WITH_EVENT = [GrantRefused, GrantLocked, SessionLimitReached];
type Refusal = InstanceType<(typeof WITH_EVENT)[number]>;

/** A session that began or changed; `pv`: its role's permission version, null where it was not read. */
interface Opened {
  session: Session;
  pv: number | null;
}

/** What a transaction did to sessions, for the fast copy. */
export interface SessionEffects {
  opened: Opened[];
  /** Ids. */
  ended: string[];
}

/**
 * Runs `work` in a transaction, then brings Redis to what it committed, and only then resolves: who was answered
 * that a session has ended can rely on it. Throws Unavailable when Redis could not be told of an end.
 */
export async function changeSessions<T>(
  ctx: Pick<AuthContext, "pool" | "cache" | "record">,
  work: (tx: Tx, effects: SessionEffects) => Promise<T>,
): Promise<T> {
  let effects: SessionEffects = { opened: [], ended: [] };
  const result = await inTransaction(ctx.pool, (tx) => {
    effects = { opened: [], ended: [] }; // a retried transaction begins anew
    return work(tx, effects);
  }).catch(async (error: unknown) => {
    // What the gate refused is rolled back; its evidence is not.
    if (WITH_EVENT.some((refusal) => error instanceof refusal) && (error as Refusal).event) {
      await ctx.record((error as Refusal).event as NewEvent);
      markRecorded(error as Refusal);
    }
    throw error;
  });
  await ctx.cache.apply(effects);
  return result;
}

/** Puts events of auth into the outbox, in the transaction of the change that they tell of. */
export function announce(tx: Tx, ...events: NewEvent[]): Promise<void> {
  return emit(tx, "auth", ...events);
}

/** The caller, known by now to be this account: for events of acts that began with nobody signed in. */
export function actingAs(
  actor: Actor,
  account: { id: string; role: Actor["role"] },
  sessionId: string | null,
): Actor {
  return { ...actor, id: account.id, role: account.role, sessionId };
}
