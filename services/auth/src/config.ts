import { availableParallelism } from "node:os";
import { BINDINGS, Language, mailedAddress } from "@medvault/contracts";
import {
  CallingConfig,
  CommonConfig,
  clinicTimeZone,
  finalRotationHours,
  geoipFile,
  policyFile,
  RedisConfig,
  readableFile,
  tokenIssuer,
  urlOf,
  wholeNumber,
} from "@medvault/service-kit";
import { z } from "zod";
import { LOCKOUT } from "./lockout/lockout.ts";
import { alertRecipients } from "./mail/alert-recipients.ts";
import { type RelyingParty, relyingPartyOf } from "./passkeys/relying-party.ts";
import { LEAST_HASH_COST } from "./passwords/password-hasher.service.ts";
import { parseReminderHours } from "./reminders/reminder-hours.ts";

const DAY_MS = 24 * 3600_000;
const daySeconds = wholeNumber(1, 24 * 3600);

/** Separated by commas or spaces. */
const origins = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter(Boolean))
  .pipe(
    z
      .array(z.url({ protocol: /^https?$/ }))
      .min(1)
      .max(10),
  );

interface PasskeyConfig {
  MEDVAULT_PUBLIC_URL: string;
  MEDVAULT_PASSKEY_RP_ID?: string | undefined;
  MEDVAULT_PASSKEY_ORIGINS?: string[] | undefined;
}

/** Whom passkeys are made for. Throws RangeError where no browser would accept the pages. */
function passkeysOf(config: PasskeyConfig): RelyingParty {
  const { MEDVAULT_PASSKEY_RP_ID: id, MEDVAULT_PASSKEY_ORIGINS: origins } = config;
  return relyingPartyOf(config.MEDVAULT_PUBLIC_URL, { id, origins });
}

const isOfPasskeys = (name: string) => name === "MEDVAULT_PUBLIC_URL" || name.startsWith("MEDVAULT_PASSKEY_");

function hasUsableOrigins(config: PasskeyConfig): boolean {
  try {
    return passkeysOf(config).origins.length > 0;
  } catch {
    return false;
  }
}

/** `no-reply@clinic.example`, or `A name <no-reply@clinic.example>`, on one line. */
function isSender(value: string): boolean {
  const address = /^[^<>\p{Cc}]*<([^<>\s]+)>$/u.exec(value)?.[1] ?? value;
  return z.email().safeParse(address).success;
}

export const AuthConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  ...RedisConfig.shape,
  // Never taken from a request: a Host header must not choose who gets a token.
  MEDVAULT_PUBLIC_URL: urlOf("http", "https")
    .default("http://127.0.0.1:8080")
    .describe("where mailed links lead; never a request's Host"),
  MEDVAULT_PASSKEY_RP_ID: z
    .string()
    .regex(/^[a-z0-9.-]{1,253}$/, "must be a domain")
    .optional()
    .meta({
      description: "the domain that passkeys are bound to for ever: another one voids them all",
      shownDefault: "the public URL's (`localhost` for a loopback address)",
    }),
  MEDVAULT_PASSKEY_ORIGINS: origins.optional().meta({
    description: "pages that may ask for passkeys, by commas: of that domain, and https or localhost",
    shownDefault: "the public URL's",
  }),
  MEDVAULT_RECORDS_URL: urlOf("http", "https").describe("records, which says whom a patient's chart names"),
  MEDVAULT_AUDIT_URL: urlOf("http", "https").describe("audit, which says who acted on it"),
  MEDVAULT_POLICY_FILE: policyFile,
  MEDVAULT_ISSUER: tokenIssuer,
  MEDVAULT_SMTP_URL: urlOf("smtp", "smtps")
    .refine((value) => URL.parse(value)?.search === "", { message: "must be a URL without a query" })
    .optional()
    .describe("mails go to this server (`smtps://user:password@host:465`, or `smtp://…:587` with STARTTLS)"),
  MEDVAULT_MAIL_DIR: z
    .string()
    .optional()
    .describe("mails become files here (mode 0600), where no server is named; for demos"),
  MEDVAULT_MAIL_FROM: z
    .string()
    .refine(isSender, "must be an address, or a name and an address: MedVault <no-reply@clinic.example>")
    .default("MedVault <no-reply@medvault.invalid>")
    .describe("the sender of mails"),
  MEDVAULT_ALERT_MAIL_TO: alertRecipients,
  MEDVAULT_LANGUAGE: Language.default("en").describe(
    "the language of reminders to people who chose none; other mails are in English",
  ),
  MEDVAULT_CLINIC_TIME_ZONE: clinicTimeZone,
  MEDVAULT_REMINDER_HOURS: z
    .string()
    .default("08:00-20:00")
    .transform((text, context) => {
      const hours = parseReminderHours(text);
      if (hours) return hours;
      context.addIssue("must be times of a day, an hour apart or more, such as `08:00-20:00`");
      return z.NEVER;
    })
    .describe("between which times of their day people are reminded by mail")
    .meta({ shownDefault: "`08:00-20:00`" }),
  MEDVAULT_SESSION_IDLE_MINUTES: wholeNumber(1, 60 * 24)
    .default(15)
    .describe("a session that is not used ends"),
  MEDVAULT_SESSION_WARNING_SECONDS: wholeNumber(10, 3600)
    .default(120)
    .describe("how long before that a client warns its user: half of the time at most"),
  MEDVAULT_SESSION_STAFF_HOURS: wholeNumber(1, 24 * 30)
    .default(12)
    .describe("the longest session of staff"),
  MEDVAULT_SESSION_PATIENT_DAYS: wholeNumber(1, 90).default(7).describe("the longest session of a patient"),
  MEDVAULT_SESSION_BIND_AGENT: z
    .enum(BINDINGS)
    .default("enforce")
    .describe("a session used with another user agent ends; `watch`: an event says so, once; `off`"),
  MEDVAULT_SESSION_BIND_ADDRESS_STAFF: z
    .enum(BINDINGS)
    .default("enforce")
    .describe("the same, of staff, for another address (IPv6: another /64)"),
  MEDVAULT_SESSION_BIND_ADDRESS_PATIENT: z.enum(BINDINGS).default("watch").describe("the same, of patients"),
  MEDVAULT_SESSIONS_PER_USER: wholeNumber(1, 50)
    .default(5)
    .describe("live sessions that an account made from then on may have; an admin sets those of one account"),
  MEDVAULT_SESSION_LIMIT: z
    .enum(["end-oldest", "refuse"])
    .default("end-oldest")
    .describe(
      "what a sign-in over a user's sessions does; `refuse`: 409 `session_limit_reached`. Unused sessions count until some 11 min after their end",
    ),
  MEDVAULT_GEOIP_FILE: geoipFile,
  SESSION_DAILY_RESET: z
    .stringbool()
    .default(false)
    .describe("every session ends once a day, when the signing key is rotated"),
  MEDVAULT_LOCKOUT_BY: z
    .enum(["account", "address", "both"])
    .default(LOCKOUT.by)
    .describe("how guesses are counted: per account, per account and address, or both"),
  MEDVAULT_LOCKOUT_FAILURES: wholeNumber(1, 100).default(LOCKOUT.max).describe("failures that lock"),
  MEDVAULT_LOCKOUT_WINDOW_SECONDS: daySeconds
    .default(LOCKOUT.windowMs / 1000)
    .describe("the time in which they count"),
  MEDVAULT_LOCKOUT_SECONDS: daySeconds
    .default(LOCKOUT.lockMs / 1000)
    .describe("how long the first lock lasts"),
  MEDVAULT_LOCKOUT_GROWTH: z.coerce
    .number()
    .min(1)
    .max(10)
    .default(LOCKOUT.growth)
    .describe(
      "each further lock lasts so many times the one before, a day at most, until a success or a day without",
    ),
  MEDVAULT_RESET_MINUTES: wholeNumber(5, 24 * 60)
    .default(60)
    .describe("how long a mailed link to set a new password is good"),
  MEDVAULT_INVITATION_HOURS: wholeNumber(1, 24 * 30)
    .default(72)
    .describe("how long a mailed invitation is good"),
  MEDVAULT_MFA_ISSUER: z
    .string()
    .regex(/^[^:\p{Cc}]{1,50}$/u, "must be 1 to 50 characters, none of them a colon or a line break")
    .default("MedVault")
    .describe("what authenticator apps call this installation"),
  MEDVAULT_KNOWN_DEVICE_DAYS: wholeNumber(1, 400)
    .default(LOCKOUT.knownMs / DAY_MS)
    .describe("how long a device, or an address, stays one that its account has signed in from"),
  MEDVAULT_REGISTRATION_CONFIRM: z
    .stringbool()
    .default(false)
    .describe("a registered account waits until the link mailed to its address is used"),
  MEDVAULT_ADDRESS_OBJECTION_HOURS: wholeNumber(1, 24 * 30)
    .default(72)
    .describe(
      "an address that an admin gives an account takes effect after so long, or when its mailed link is used; until then the old address may object",
    ),
  PASSWORD_POLICY: z
    .enum(["composition", "nist"])
    .default("composition")
    .describe("which passwords are accepted: mixed, or (`nist`) long"),
  MEDVAULT_PASSWORD_MIN_CHARACTERS: wholeNumber(8, 64)
    .optional()
    .describe("the least length of new passwords, where it is more than the policy's"),
  MEDVAULT_PASSWORD_LIST: readableFile
    .optional()
    .describe("a file of passwords that are refused: words, or sorted SHA-1 hashes"),
  MEDVAULT_TOKEN_BITS: wholeNumber(128, 512)
    .default(256)
    .describe("the length of generated tokens, 128 at least"),
  MEDVAULT_RECOVERY_CODE_BITS: wholeNumber(80, 160)
    .default(80)
    .describe("the length of recovery codes, and the least"),
  MEDVAULT_ARGON2_MEMORY_KIB: wholeNumber(LEAST_HASH_COST.memoryKiB, 4 * 1024 * 1024)
    .default(LEAST_HASH_COST.memoryKiB)
    .describe("memory that a password hash takes, and the least"),
  MEDVAULT_ARGON2_PASSES: wholeNumber(LEAST_HASH_COST.passes, 100)
    .default(LEAST_HASH_COST.passes)
    .describe("passes over it, and the least"),
  MEDVAULT_ARGON2_LANES: wholeNumber(LEAST_HASH_COST.lanes, 16)
    .default(LEAST_HASH_COST.lanes)
    .describe("lanes of Argon2, and the least"),
  // 19 MiB and one of libuv's four threads each; one is left for files and names.
  MEDVAULT_HASHES_AT_ONCE: wholeNumber(1, 64).default(Math.min(3, availableParallelism())).meta({
    description: "password hashes made at once, 19 MiB and a thread each; what cannot wait is 503",
    shownDefault: "cores, at most 3",
  }),
})
  .refine((config) => config.MEDVAULT_SMTP_URL !== undefined || config.MEDVAULT_MAIL_DIR !== undefined, {
    path: ["MEDVAULT_SMTP_URL"],
    message: "this or MEDVAULT_MAIL_DIR must be set",
    when: () => true, // named with every other fault, not after them
  })
  .refine(hasUsableOrigins, {
    path: ["MEDVAULT_PASSKEY_ORIGINS"],
    when: ({ issues }) => !issues.some(({ path }) => isOfPasskeys(String(path?.[0]))),
    message: "must be origins of MEDVAULT_PASSKEY_RP_ID, of https or localhost",
  });
export type AuthConfig = z.infer<typeof AuthConfig>;

/** Of base32, which recovery codes are in. */
const BITS_PER_CHARACTER = 5;

/** The settings as use cases read them: in their units. */
export function settingsOf(config: AuthConfig) {
  const idleMs = config.MEDVAULT_SESSION_IDLE_MINUTES * 60_000;
  return {
    issuer: config.MEDVAULT_ISSUER,
    publicUrl: config.MEDVAULT_PUBLIC_URL,
    passkeys: passkeysOf(config),
    language: config.MEDVAULT_LANGUAGE,
    clinicTimeZone: config.MEDVAULT_CLINIC_TIME_ZONE,
    reminderHours: config.MEDVAULT_REMINDER_HOURS,
    accessTokenSeconds: 300,
    stepUpSeconds: 600,
    idleMs,
    /** How long before a session's idle end a client should warn. */
    idleWarningMs: Math.min(config.MEDVAULT_SESSION_WARNING_SECONDS * 1000, idleMs / 2),
    absoluteStaffMs: config.MEDVAULT_SESSION_STAFF_HOURS * 3600_000,
    absolutePatientMs: config.MEDVAULT_SESSION_PATIENT_DAYS * DAY_MS,
    /** Every session ends when the next signing key comes into use (I13). */
    dailyReset: config.SESSION_DAILY_RESET,
    /** Whether a registered account waits until its address is confirmed. */
    confirmRegistration: config.MEDVAULT_REGISTRATION_CONFIRM,
    /** How long an address may object to an admin's change of it. */
    addressObjectionMs: config.MEDVAULT_ADDRESS_OBJECTION_HOURS * 3600_000,
    /** Of refresh, reset, invitation and half-finished sign-ins' tokens. */
    tokenBytes: Math.ceil(config.MEDVAULT_TOKEN_BITS / 8),
    recoveryCodeCharacters: Math.ceil(config.MEDVAULT_RECOVERY_CODE_BITS / BITS_PER_CHARACTER),
    lockout: {
      by: config.MEDVAULT_LOCKOUT_BY,
      max: config.MEDVAULT_LOCKOUT_FAILURES,
      windowMs: config.MEDVAULT_LOCKOUT_WINDOW_SECONDS * 1000,
      lockMs: config.MEDVAULT_LOCKOUT_SECONDS * 1000,
      growth: config.MEDVAULT_LOCKOUT_GROWTH,
      knownMs: config.MEDVAULT_KNOWN_DEVICE_DAYS * DAY_MS,
    },
    binding: {
      agent: config.MEDVAULT_SESSION_BIND_AGENT,
      addressOfStaff: config.MEDVAULT_SESSION_BIND_ADDRESS_STAFF,
      addressOfPatients: config.MEDVAULT_SESSION_BIND_ADDRESS_PATIENT,
    },
    /** Of an account that is made now. */
    sessionsPerUser: config.MEDVAULT_SESSIONS_PER_USER,
    resetMs: config.MEDVAULT_RESET_MINUTES * 60_000,
    invitationMs: config.MEDVAULT_INVITATION_HOURS * 3600_000,
    ...{ mfaIssuer: config.MEDVAULT_MFA_ISSUER, alertMailsTo: config.MEDVAULT_ALERT_MAIL_TO },
    /** What a sign-in over the limit of sessions does. */
    sessionLimit: config.MEDVAULT_SESSION_LIMIT,
  };
}
export type AuthSettings = ReturnType<typeof settingsOf>;

export const BootstrapConfig = CallingConfig.extend({
  ...CommonConfig.pick({ DATABASE_URL: true, MEDVAULT_KEYS_FILE: true, MEDVAULT_KEYS: true }).shape,
  MEDVAULT_ADMIN_USERNAME: z
    .string()
    .regex(/^[A-Za-z0-9_-]{3,50}$/, "must be 3 to 50 of A-Z, a-z, 0-9, _ and -")
    .default("admin")
    .describe("the first admin's user name"),
  MEDVAULT_ADMIN_EMAIL: mailedAddress()
    .default("admin@medvault.invalid")
    .describe("the first admin's address"),
});
export type BootstrapConfig = z.infer<typeof BootstrapConfig>;
