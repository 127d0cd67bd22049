import { z } from "zod";
import { Instant, PageQuery, page, queryNumber, wholeNumber } from "../http.ts";
import { Id } from "../ids.ts";
import { nameOf } from "../person.ts";

const Size = queryNumber(wholeNumber().positive().max(Number.MAX_SAFE_INTEGER));
const Base64 = z.string();
export const AuditOutcome = z.enum(["success", "denied", "failure"]);

const filters = {
  actorId: z.string().min(1).max(100).optional(),
  patientId: Id.optional(),
  subject: z.string().min(1).max(200).optional(),
  type: z.string().min(1).max(120).optional(),
  action: z.string().min(1).max(100).optional(),
  outcome: AuditOutcome.optional(),
  ip: z.string().min(1).max(64).optional(),
  requestId: z.string().min(1).max(128).optional(),
  from: Instant.optional(),
  to: Instant.optional(),
};

/** Which events: every filter that is given must hold. `from` is included, `to` is not. */
export const AuditFilter = z.strictObject(filters);
export type AuditFilter = z.infer<typeof AuditFilter>;

export const AuditEventQuery = PageQuery.extend(filters);
export type AuditEventQuery = z.infer<typeof AuditEventQuery>;

/** An index of the log behind which to go on; -1: from its beginning. */
const AfterIndex = z.preprocess(
  (value) => (value === "-1" ? -1 : value),
  queryNumber(
    wholeNumber()
      .min(-1)
      .max(Number.MAX_SAFE_INTEGER - 1),
  ),
);
/** What a `Last-Event-ID` of the stream says. */
export const LastEventId = AfterIndex;

/**
 * `after`: goes on behind the entry of this index. Default: begins with what comes from now on. A
 * `Last-Event-ID` counts more: a browser that reconnects sends its first address again.
 */
export const AuditStreamQuery = AuditFilter.extend({ after: AfterIndex.optional() });
export type AuditStreamQuery = z.infer<typeof AuditStreamQuery>;

/**
 * An event as the log holds it. `index` is its leaf, `time` the producer's own. `damaged`: the
 * stored row no longer gives the tree's leaf, and only id, index, time and type are shown.
 */
export const AuditEventView = z.object({
  id: Id,
  index: z.int().nonnegative(),
  time: Instant,
  type: z.string(),
  producer: z.string(),
  actor: z
    .object({ id: z.string(), name: nameOf("id"), role: z.string(), sessionId: z.string().nullable() })
    .nullable(),
  patientId: Id.nullable(),
  patientIds: z.array(Id),
  subject: z.string().nullable(),
  action: z.string().nullable(),
  outcome: AuditOutcome.nullable(),
  purpose: z.string().nullable(),
  ip: z.string().nullable(),
  userAgent: z.string().nullable(),
  requestId: z.string().nullable(),
  fields: z.array(z.string()),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  decision: z.object({ allowed: z.boolean(), reason: z.string() }).nullable(),
  damaged: z.boolean(),
});
/** As the log holds it, or with the name of its actor as of now. */
export type AuditEventView = z.input<typeof AuditEventView>;
export const AuditEventPage = page(AuditEventView);

/** Of whose charts auth asks who acted on them, before it tells a patient their names. */
export const ActorsQuestion = z.strictObject({ patientIds: z.array(Id).min(1).max(100) });
export const ActorsAnswer = z.object({ ids: z.array(z.string()) });

/**
 * All that an offline check needs, in base64: `leaf` = SHA-256(salt || canonicalEvent), its tree
 * hash SHA-256(0x00 || leaf) (RFC 6962), `hashes` from its sibling up, `checkpoint` a signed note.
 */
export const AuditProof = z.object({
  leafIndex: z.int().nonnegative(),
  leaf: Base64,
  salt: Base64,
  canonicalEvent: Base64,
  treeSize: z.int().positive(),
  hashes: z.array(Base64),
  checkpoint: z.string(),
});
export type AuditProof = z.infer<typeof AuditProof>;

export const AuditCheckpointView = z.object({
  size: z.int().nonnegative(),
  root: Base64,
  signedAt: Instant,
  note: z.string(),
});
export const AuditCheckpointPage = page(AuditCheckpointView);

export const AuditConsistencyQuery = z.strictObject({ from: Size, to: Size });
/** RFC 6962 proof between two sizes; the notes are those of exactly these sizes, if any. */
export const AuditConsistency = z.object({
  from: z.int().positive(),
  to: z.int().positive(),
  hashes: z.array(Base64),
  fromCheckpoint: z.string().nullable(),
  toCheckpoint: z.string().nullable(),
});
export type AuditConsistency = z.infer<typeof AuditConsistency>;

const Index = queryNumber(wholeNumber().nonnegative().max(Number.MAX_SAFE_INTEGER));
/** Entries `from` up to but not including `to`. */
export const AuditRangeQuery = z.strictObject({ from: Index, to: Index });
export const AuditHashesQuery = AuditRangeQuery.extend({ of: z.enum(["log", "store"]) });

/** Both ends are missing. */
export const SequenceGap = z.object({ from: z.int(), to: z.int() });
/**
 * What arrived of one producer in one epoch. `lastSequence` is the highest number that arrived;
 * later numbers that a heartbeat reports are gaps too. `duplicates`: numbers used by two events.
 */
export const AuditCompleteness = z.object({
  producer: z.string(),
  epoch: z.int(),
  lastSequence: z.int(),
  received: z.int(),
  gaps: z.array(SequenceGap),
  gapsTruncated: z.boolean(),
  duplicates: z.int(),
  heartbeat: z.object({ lastSequence: z.int(), time: Instant }).nullable(),
  lastEventAt: Instant,
});
export type AuditCompleteness = z.infer<typeof AuditCompleteness>;
export const AuditCompletenessPage = page(AuditCompleteness);

/** The signed checkpoint covers `checkpointSize` of the `size` entries; the next one the rest. */
export const AuditVerification = z.object({
  size: z.int().nonnegative(),
  checkpointSize: z.int().nonnegative(),
  ok: z.boolean(),
  firstBadIndex: z.int().nonnegative().optional(),
  reason: z.string().optional(),
});
export type AuditVerification = z.infer<typeof AuditVerification>;

const AuditStatsBy = z.enum(["type", "actor", "patient", "hour", "outcome", "alert", "reach"]);
export const AuditStatsQuery = AuditFilter.extend({
  bucket: z.enum(["hour", "day"]).default("day"),
  by: AuditStatsBy.optional(),
});
/** `key`: a type, an id, an hour of the day (UTC), an outcome, or the rule of an alert. */
export const AuditStatsGroup = z.object({
  key: z.string(),
  name: nameOf("key"),
  total: z.int(),
  success: z.int().nullable(),
  denied: z.int().nullable(),
  failure: z.int().nullable(),
});
export type AuditStatsGroup = z.input<typeof AuditStatsGroup>;
/**
 * At most 1000 buckets, oldest first; empty ones are left out. With `by` groups instead, at most
 * 100, of whole days: `reach` is how many patients members of staff reach in an hour, with those
 * who reached more than 99 of 100 do, and their most in `total`.
 */
export const AuditStats = z.object({
  bucket: z.enum(["hour", "day"]),
  items: z.array(
    z.object({
      start: Instant,
      total: z.int(),
      success: z.int(),
      denied: z.int(),
      failure: z.int(),
    }),
  ),
  by: AuditStatsBy.optional(),
  from: Instant.optional(),
  to: Instant.optional(),
  groups: z.array(AuditStatsGroup).optional(),
  reach: z.object({ hours: z.int(), p50: z.int(), p95: z.int(), p99: z.int() }).optional(),
});
export type AuditStats = z.input<typeof AuditStats>;

export const AuditExportFormat = z.enum(["ndjson", "csv", "fhir", "ocsf", "cef"]);
export type AuditExportFormat = z.infer<typeof AuditExportFormat>;

/**
 * Of which entries, in their order: behind index `after`, and before index `before` (default: all
 * that the log holds as the export begins). An export that broke off goes on with the last index
 * that it gave as `after`. `proof`: whether it ends with the proof; default 1, and 0 for csv.
 */
export const AuditExportQuery = AuditFilter.extend({
  format: AuditExportFormat.default("ndjson"),
  after: AfterIndex.optional(),
  before: queryNumber(wholeNumber().nonnegative().max(Number.MAX_SAFE_INTEGER)).optional(),
  proof: z.enum(["0", "1"]).optional(),
});
export type AuditExportQuery = z.infer<typeof AuditExportQuery>;
