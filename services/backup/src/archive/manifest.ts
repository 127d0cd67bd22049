import { randomBytes } from "node:crypto";
import { lengthPrefixed } from "@medvault/crypto";
import { z } from "zod";

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const PlainName = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/);

/** One encrypted file of a backup. `bytes` and `sha256` are of the plain content. */
export const Part = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_.]{0,127}$/),
  /** table, keys: COPY in binary format; files, audit: a list, one JSON a line. */
  kind: z.enum(["table", "keys", "files", "audit"]),
  schema: PlainName.nullable(),
  table: PlainName.nullable(),
  columns: z.array(PlainName).max(1600),
  rows: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: Sha256,
  sealedBytes: z.int().nonnegative(),
  sealedSha256: Sha256,
});
export type Part = z.infer<typeof Part>;

const AppliedMigration = z.strictObject({ name: z.string().max(200), checksum: z.string().max(128) });
export type AppliedMigration = z.infer<typeof AppliedMigration>;

const Snapshot = z.strictObject({
  server: z.string().regex(/^\d{1,20}$/),
  at: z
    .string()
    .regex(/^\d+:\d+:[\d,]*$/)
    .max(1_000_000),
});
export type Snapshot = z.infer<typeof Snapshot>;

/** Everything that a backup says of itself. What it does not name is not part of it. */
export const Manifest = z.strictObject({
  format: z.literal("medvault-backup/1"),
  id: z.uuid(),
  createdAt: z.iso.datetime(),
  postgresVersion: z.int(),
  /** Which transactions it holds, in the numbers of which server (`pg_snapshot`). */
  snapshot: Snapshot.optional(),
  /** Per business schema, what was applied, in order: where a restore begins. */
  migrations: z.record(PlainName, z.array(AppliedMigration)),
  parts: z.array(Part).max(2_000),
  /** Files of the snapshot whose blob was gone or damaged when it should be copied. */
  filesMissing: z.int().nonnegative(),
  /** Tree size of the audit log's copied checkpoint; null without an outside store. */
  auditCheckpoint: z.int().nonnegative().nullable(),
  /** The last entry of the ledger of erasures that was known then; missing in older manifests. */
  erasures: z.strictObject({ number: z.int().positive(), sha256: Sha256 }).nullable().optional(),
});
export type Manifest = z.infer<typeof Manifest>;

/** What is sealed of a manifest or keyset: its canonical text as signed, byte for byte. */
export const SignedDocument = z.strictObject({
  manifest: z.string(),
  kid: z.string(),
  signature: z.string(),
});
export type SignedDocument = z.infer<typeof SignedDocument>;

/** A line of the `files` list. A file with `missing` has no blob in the backup. */
export const FileLine = z.strictObject({
  id: z.uuid(),
  blob: z.uuid(),
  bytes: z.int().positive(),
  sha256: Sha256,
  missing: z.enum(["gone", "damaged"]).optional(),
});
export type FileLine = z.infer<typeof FileLine>;

/** A line of the `audit` list: a file of the audit log's outside store. */
export const AuditLine = z.strictObject({
  path: z.string().max(500),
  bytes: z.int().nonnegative(),
  sha256: Sha256,
});
export type AuditLine = z.infer<typeof AuditLine>;

export const newBackupKey = (): Buffer => randomBytes(32);

/** Whose key it is when backup's service key wraps it. */
export function keyContext(backupId: string): string[] {
  return ["backup", "archive", backupId];
}

/** A part of one backup never opens as another part, nor as part of another backup. */
export function partContext(backupId: string, partName: string): Buffer {
  return lengthPrefixed("medvault/backup-part/v1", backupId, partName);
}
