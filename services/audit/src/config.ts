import { CommonConfig, geoipFile, readableFile, urlOf, wholeNumber } from "@medvault/service-kit";
import { z } from "zod";
import { isWebhookUrl, secretsOf } from "./delivery/webhook-signature.ts";
import { isKeyName } from "./tree/note.ts";
import { witnesses } from "./witnesses/witness.ts";

export const AuditConfig = CommonConfig.extend({
  MEDVAULT_AUDIT_DIR: z
    .string()
    .describe(
      "the store outside Postgres (checkpoint, tiles, sealed bodies, public key), best on another disk",
    ),
  MEDVAULT_AUTH_URL: urlOf("http", "https").describe("auth, which says how people are called"),
  MEDVAULT_RECORDS_URL: urlOf("http", "https").describe(
    "records, which says which charts are a patient's own",
  ),
  MEDVAULT_AUDIT_ORIGIN: z
    .string()
    .max(200)
    .refine(isKeyName, { message: "must hold no space and no plus" })
    .default("medvault.local/audit")
    .describe("the log's name in every checkpoint; fixed once the log has begun"),
  MEDVAULT_AUDIT_WITNESSES: witnesses
    .optional()
    .describe(
      "who cosigns checkpoints (C2SP tlog-witness): `<url> <verifier key>` of each, separated by commas; https, or http on this machine (docs/audit-log.md)",
    ),
  MEDVAULT_AUDIT_QUORUM: wholeNumber(0, 16).optional().meta({
    description:
      "how many of them must have cosigned the checkpoint that is shown; one that is a minute behind is not waited for",
    shownDefault: "all of them",
  }),
  MEDVAULT_AUDIT_CHECKPOINT_MS: wholeNumber(50, 5_000)
    .default(1_000)
    .describe("least time between two checkpoints, 50 to 5000"),
  MEDVAULT_AUDIT_LEASE_MS: wholeNumber(500, 60_000)
    .default(4_000)
    .describe("how long a writer that died keeps its standby waiting; one in trouble yields sooner"),
  MEDVAULT_AUDIT_SCRUB_ENTRIES: wholeNumber(256, 1_000_000)
    .default(2_000)
    .describe(
      "entries a second that the scrubber reads at most; less where a day's entries are read within an hour (100 take about 10 ms)",
    ),
  MEDVAULT_AUDIT_START_ENTRIES: wholeNumber(0, Number.MAX_SAFE_INTEGER)
    .default(250_000)
    .describe(
      "entries that a writer derives again at its start (100,000 take about 1 s); of a longer log the part before them is taken from tiles under the signed root",
    ),
  MEDVAULT_AUDIT_RETENTION_YEARS: wholeNumber(6, 100)
    .default(7)
    .describe("how long entries of the log are kept, 6 years at the least"),
  MEDVAULT_AUDIT_LEGAL_HOLD: z
    .stringbool()
    .default(false)
    .describe("nothing of the log is dropped, however old it is"),
  MEDVAULT_ALERT_FAILED_SIGN_INS: wholeNumber(1, 1_000)
    .default(5)
    .describe("failed sign-ins to one account, or from one address, that are an alert"),
  MEDVAULT_ALERT_FAILED_SIGN_INS_MINUTES: wholeNumber(1, 1_440)
    .default(5)
    .describe("within how many minutes"),
  MEDVAULT_ALERT_DENIALS: wholeNumber(1, 1_000)
    .default(3)
    .describe("accesses that one person is refused that are an alert"),
  MEDVAULT_ALERT_DENIALS_MINUTES: wholeNumber(1, 1_440).default(15).describe("within how many minutes"),
  MEDVAULT_ALERT_GUEST_ATTACKS: wholeNumber(1, 1_000_000)
    .default(50)
    .describe(
      "refused requests of guests that looked like attacks that are an alert; one of somebody signed in is one at once",
    ),
  MEDVAULT_ALERT_GUEST_ATTACKS_MINUTES: wholeNumber(1, 1_440).default(10).describe("within how many minutes"),
  MEDVAULT_GEOIP_FILE: geoipFile,
  MEDVAULT_ALERT_WEBHOOK_URL: z
    .string()
    .refine(isWebhookUrl, "must be a URL with https and no user name (http only to this machine)")
    .optional()
    .meta({ type: "URL with https" })
    .describe("alerts are posted here, signed (docs/alert-delivery.md)"),
  MEDVAULT_ALERT_WEBHOOK_SECRETS: z
    .string()
    .transform((text, context) => {
      const secrets = secretsOf(text);
      if (secrets) return secrets;
      context.addIssue(
        "must be `whsec_` and the base64 of 24 to 64 bytes; while one is replaced, up to 5, by commas",
      );
      return z.NEVER;
    })
    .optional()
    .describe("the secrets that sign them: `whsec_…`, several by commas while one is replaced"),
  MEDVAULT_ALERT_WEBHOOK_PRIVATE: z
    .stringbool()
    .default(false)
    .describe("the webhook may be in a private network, or on this machine"),
  MEDVAULT_ALERT_SYSLOG_URL: urlOf("tls")
    .optional()
    .describe("alerts go to this syslog server, by TLS: `tls://host:6514`"),
  MEDVAULT_ALERT_CA_FILE: readableFile
    .optional()
    .describe("whom webhook and syslog server are certified by, PEM; without it, Node's own CAs"),
  MEDVAULT_ALERT_CERT_FILE: readableFile
    .optional()
    .describe("the certificate that audit shows them, PEM, where they ask for one"),
  MEDVAULT_ALERT_KEY_FILE: readableFile.optional().describe("its private key, PEM"),
  MEDVAULT_ALERT_PATIENTS_AN_HOUR: wholeNumber(1, 1_000)
    .default(200)
    .describe("different patients whose charts one person uses within an hour; more are an alert"),
  MEDVAULT_ALERT_HABIT_DAYS: wholeNumber(5, 90)
    .default(20)
    .describe("days that somebody was at work before an hour can be unusual for them"),
  MEDVAULT_ALERT_TRAVEL_KMH: wholeNumber(1, 100_000)
    .default(900)
    .describe("two sign-ins between which somebody would have travelled faster are an alert"),
  MEDVAULT_ALERT_CHECKPOINT_MINUTES: wholeNumber(1, 60)
    .default(2)
    .describe("entries that no checkpoint covers for longer are an alert"),
  MEDVAULT_ALERT_BACKUP_DAYS: wholeNumber(1, 365)
    .default(8)
    .describe("days without a backup that was verified that are an alert, once there are backups"),
  MEDVAULT_ALERT_KEY_DAYS: wholeNumber(1, 3_650)
    .default(400)
    .describe("days after which a service key that was not rotated is an alert"),
})
  .refine(
    (config) => !config.MEDVAULT_ALERT_WEBHOOK_URL || config.MEDVAULT_ALERT_WEBHOOK_SECRETS !== undefined,
    {
      path: ["MEDVAULT_ALERT_WEBHOOK_SECRETS"],
      message: "missing: the webhook's receiver knows alerts by it",
      when: ({ issues }) => !issues.some(({ path }) => /^MEDVAULT_ALERT_WEBHOOK_/.test(String(path?.[0]))),
    },
  )
  .refine(
    (config) =>
      (config.MEDVAULT_ALERT_CERT_FILE === undefined) === (config.MEDVAULT_ALERT_KEY_FILE === undefined),
    {
      path: ["MEDVAULT_ALERT_KEY_FILE"],
      message: "a certificate and its key go together: set both, or neither",
      when: ({ issues }) => !issues.some(({ path }) => /^MEDVAULT_ALERT_(CERT|KEY)_/.test(String(path?.[0]))),
    },
  );
export type AuditConfig = z.infer<typeof AuditConfig>;
