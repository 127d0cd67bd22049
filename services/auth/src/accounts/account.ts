import type { AccountRole, Actor, Language, Reminder } from "@medvault/contracts";

/** Who the person of an account is to others. */
export interface Persona {
  /** How people call them; null: by the user name. */
  name: string | null;
  title: string | null;
  speciality: string | null;
  /** Of the register that licenses the profession. */
  professionalNumber: string | null;
}

/** A person's account, opened. `rev` is that of the row it was read from. */
export interface Account extends Persona {
  id: string;
  rev: number;
  role: AccountRole;
  disabled: boolean;
  /** False until an invitation was accepted. */
  activated: boolean;
  mfaEnabled: boolean;
  username: string;
  email: string;
  /**
   * False: the address is claimed only. Another account has it, or nobody until its mailed link is
   * used. Nothing is found by it and nothing secret is mailed to it.
   */
  emailOwned: boolean;
  /**
   * True: somebody registered with the address, and no mailed link has shown since that they read
   * there. Anyone who shows it is the owner, of the account or of the address alone.
   */
  emailUnconfirmed: boolean;
  /** An address that its mailed link has not confirmed yet. */
  pendingEmail: string | null;
  /** ISO. Of a change by an admin: when it takes effect unless the present address objects. */
  pendingUntil: string | null;
  /** PHC string; null until an invitation was accepted. */
  passwordHash: string | null;
  /** Base32. */
  totpSecret: string | null;
  /** A set-up that no code has confirmed yet; `recoveryTokens` are blind tokens in base64. */
  pendingTotp: PendingTotp | null;
  /** In which it is reminded; null: that of the installation. */
  language: Language | null;
  /** By which it is reminded at day; null: the clinic's. */
  timeZone: string | null;
  /** Kinds of reminders that its person wants no more. */
  stoppedReminders: readonly Reminder[];
  maxSessions: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface PendingTotp {
  secret: string;
  recoveryTokens: string[];
}

const MFA_ROLES: ReadonlySet<string> = new Set<AccountRole>(["admin", "doctor", "auditor"]);

/** Whether somebody of this role works here: the directory shows them to each other. */
export function isStaff(role: string): boolean {
  return role !== "patient" && role !== "guest";
}

/** How answers call the account's person. */
export function shownName(account: Pick<Account, "name" | "username">): string {
  return account.name ?? account.username;
}

/** I6: staff must have a second factor, patients may. */
export function mfaRequiredFor(role: string): boolean {
  return MFA_ROLES.has(role);
}

/** Whether anybody can sign in to it at all. */
export function isUsable(account: Account): boolean {
  return !account.disabled && account.activated && account.passwordHash !== null;
}

/** Whether it can administer: what the last of must never lose. */
export function isActiveAdmin(account: Pick<Account, "role" | "disabled" | "activated">): boolean {
  return account.role === "admin" && !account.disabled && account.activated;
}

/** Whether it is known that the account's person reads at its address. */
export function isEmailConfirmed(account: Account): boolean {
  return account.activated && account.emailOwned && !account.emailUnconfirmed;
}

/**
 * Whether a mailed reset may remove the second factors as well: who set them up never showed
 * that they read at the address, and who resets has. Roles that must have a factor keep theirs.
 */
export function mayResetFactors(account: Account): boolean {
  return account.emailOwned && account.emailUnconfirmed && !mfaRequiredFor(account.role);
}

/** Where a mail about an account goes, as of `at` (ISO), whatever its address is later. */
export interface Recipient {
  userId: string;
  /** Null: the account only claims its address, so nobody is known to read there. */
  email: string | null;
  at: string;
}

/** The owner of this account as they can be reached now. */
export function recipientOf(account: Account, now: Date): Recipient {
  return {
    userId: account.id,
    email: account.emailOwned ? account.email : null,
    at: now.toISOString(),
  };
}

/** The caller, known by now to be this account: for acts that began with nobody signed in. */
export function actingAs(
  actor: Actor,
  account: { id: string; role: Actor["role"] },
  sessionId: string | null,
): Actor {
  return { ...actor, id: account.id, role: account.role, sessionId };
}

/** A fresh account. Without a password it waits for its invitation to be accepted. */
export function newAccount(
  input: {
    id: string;
    username: string;
    email: string;
    role: AccountRole;
    passwordHash: string | null;
    disabled?: boolean;
    /** Default 5. */
    maxSessions?: number;
  } & { [K in keyof Persona]?: Persona[K] | undefined },
  now: Date,
): Account {
  return {
    id: input.id,
    rev: 1,
    role: input.role,
    disabled: input.disabled ?? false,
    activated: input.passwordHash !== null,
    mfaEnabled: false,
    username: input.username,
    email: input.email,
    emailOwned: true,
    emailUnconfirmed: false,
    pendingEmail: null,
    pendingUntil: null,
    passwordHash: input.passwordHash,
    totpSecret: null,
    pendingTotp: null,
    language: null,
    timeZone: null,
    stoppedReminders: [],
    name: input.name ?? null,
    title: input.title ?? null,
    speciality: input.speciality ?? null,
    professionalNumber: input.professionalNumber ?? null,
    maxSessions: input.maxSessions ?? 5,
    createdAt: now,
    updatedAt: now,
  };
}

/** What is left of an account whose row does not open. */
export interface DamagedAccount {
  id: string;
  damaged: true;
}

export interface AccountFilter {
  role: AccountRole | null;
  disabled: boolean | null;
  /** Ids below this one: UUIDv7 sort by the time they were made. */
  before: string | null;
  limit: number;
}
