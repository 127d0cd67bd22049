import type { NewEvent } from "@medvault/contracts";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import type { AccountSeals } from "./accounts/account.store.ts";
import type { BucketCounter } from "./lockout/bucket-counter.store.ts";
import type { LockoutRules } from "./lockout/lockout.ts";
import type { MailQueue } from "./mail/mail-queue.service.ts";
import type { RelyingParty } from "./passkeys/relying-party.ts";
import type { PasswordCheck } from "./passwords/password-check.ts";
import type { PasswordHasher } from "./passwords/password-hasher.service.ts";
import type { StrengthMeter } from "./passwords/password-strength.service.ts";
import type { BindingSettings } from "./sessions/session-binding.ts";
import type { SessionCache } from "./sessions/session-cache.store.ts";
import type { AccessTokenSigner } from "./signing-keys/access-token-signer.service.ts";

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
  /** Every session ends when the next signing key comes into use (I13). */
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

/** What the use cases of auth share; opened in app.ts. */
export interface AuthContext extends AccountSeals {
  pool: pg.Pool;
  /** Key of the blind tokens of addresses, lockout buckets and recovery codes. */
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
  buckets: BucketCounter;
  /** Events of refusals and reads; resolves once they are committed. */
  record(...events: NewEvent[]): Promise<void>;
  mails: MailQueue;
  now(): Date;
  settings: AuthSettings;
  logger: Logger;
}
