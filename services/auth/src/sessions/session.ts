import { createHash } from "node:crypto";
import type { AccountRole, SessionTransport } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { AuthSettings } from "../config.ts";

/** `enrollment` reaches the MFA set-up only and cannot be refreshed. */
export type SessionKind = "full" | "enrollment";

export type EndReason =
  | "logout"
  | "ended_by_user"
  | "ended_by_admin"
  | "session_limit"
  | "refresh_reused"
  | "password_changed"
  | "password_reset"
  | "factor_changed"
  | "account_changed"
  | "account_deleted"
  | "enrollment_superseded"
  | "idle"
  | "expired"
  | "daily_reset"
  | "agent_changed"
  | "address_changed";

export interface Session {
  id: string;
  userId: string;
  role: AccountRole;
  kind: SessionKind;
  /** How its tokens travel; they are good in no other way. */
  transport: SessionTransport;
  /** The version of its role at its start; null in sessions of before it was kept. */
  pv: number | null;
  /** RFC 8176: `pwd`, `otp`, `mfa`; ours: `recovery`. */
  amr: string[];
  authTime: Date;
  createdAt: Date;
  lastSeenAt: Date;
  idleExpiresAt: Date;
  absoluteExpiresAt: Date;
  endedAt: Date | null;
  ip: string;
  userAgent: string;
}

/** What a transaction did to sessions, for the fast copy in Redis. */
export interface SessionEffects {
  /** Begun or changed; `pv`: their role's permission version, null where it was not read. */
  opened: { session: Session; pv: number | null }[];
  /** Ids. */
  ended: string[];
}

/** A transaction that may begin and end sessions. */
export interface SessionChange extends SessionEffects {
  readonly tx: Tx;
}

/** As long as a sign-in counts as fresh: the set-up itself asks for a fresh one. */
const ENROLLMENT_MS = 10 * 60_000;

/** A new session of an account, with its ends by role (I11). */
export function newSession(
  input: Pick<Session, "id" | "userId" | "role" | "kind" | "transport" | "pv" | "amr" | "ip" | "userAgent">,
  settings: Pick<AuthSettings, "idleMs" | "absoluteStaffMs" | "absolutePatientMs">,
  now: Date,
): Session {
  const absoluteMs = input.role === "patient" ? settings.absolutePatientMs : settings.absoluteStaffMs;
  const absoluteExpiresAt = new Date(
    now.getTime() + (input.kind === "enrollment" ? ENROLLMENT_MS : absoluteMs),
  );
  return {
    ...input,
    authTime: now,
    createdAt: now,
    lastSeenAt: now,
    idleExpiresAt: earlier(new Date(now.getTime() + settings.idleMs), absoluteExpiresAt),
    absoluteExpiresAt,
    endedAt: null,
  };
}

/** Whether it can be used at `now`. `idleUntil`: the idle end by Redis, if it knows one. */
export function isLive(session: Session, now: Date, idleUntil: Date | null = null): boolean {
  const idleEnd = idleUntil !== null && idleUntil > session.idleExpiresAt ? idleUntil : session.idleExpiresAt;
  return session.endedAt === null && now < session.absoluteExpiresAt && now < idleEnd;
}

/** The session just used: its idle end moves, its absolute end and `authTime` never do. */
export function touched(session: Session, idleMs: number, now: Date): Session {
  const idleExpiresAt = earlier(new Date(now.getTime() + idleMs), session.absoluteExpiresAt);
  return { ...session, lastSeenAt: now, idleExpiresAt };
}

/** Which of these live sessions (oldest first) must end so that one more fits (I14). */
export function surplus(live: readonly string[], maxSessions: number): string[] {
  return live.slice(0, Math.max(0, live.length + 1 - maxSessions));
}

/** A token's scope: all that its session's role may, or the set-up of a second factor alone. */
export function scopeOfSession({ kind }: Pick<Session, "kind">, permissions: readonly string[]): string {
  return kind === "enrollment" ? "account:enroll:own" : permissions.join(" ");
}

/** How the gateway knows a user agent again without keeping it: SHA-256 in hex. */
export function userAgentHash(userAgent: string): string {
  return createHash("sha256").update(userAgent, "utf8").digest("hex");
}

const BROWSERS = [
  ["Edge", /\bEdg\//],
  ["Opera", /\bOPR\//],
  ["Firefox", /\bFirefox\//],
  ["Chrome", /\bChrome\//],
  ["Safari", /\bSafari\//],
  ["curl", /^curl\//],
  ["Node.js", /\bnode\b|undici/i],
] as const;
const SYSTEMS = [
  ["Android", /Android/],
  ["iPhone", /iPhone|iPad/],
  ["Windows", /Windows/],
  ["macOS", /Mac OS X/],
  ["Linux", /Linux/],
] as const;

/** A few words for people, from the user agent: `Firefox on Linux`. */
export function deviceOf(userAgent: string): string {
  const browser = BROWSERS.find(([, pattern]) => pattern.test(userAgent))?.[0];
  const system = SYSTEMS.find(([, pattern]) => pattern.test(userAgent))?.[0];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? "Unknown device";
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
