import {
  type Actor,
  type DamagedRow,
  type IntegrityView,
  type MedicalRecordView,
  type NewMedicalRecord,
  newId,
  scopeOf,
} from "@medvault/contracts";
import { publicKeyOf } from "@medvault/crypto";
import { type SigningKey, signingKey } from "@medvault/keys";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { codedFrom } from "../fhir/coding.ts";
import { asSaid } from "../resources/as-said.ts";
import { create } from "../resources/creation.service.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { notFound } from "../resources/refusal.service.ts";
import { done, readActOf } from "../resources/resource.events.ts";
import { change, changeOnce, find, type Held } from "../resources/resource.service.ts";
import * as store from "../resources/resource.store.ts";
import { contentOf } from "../resources/resource.ts";
import { announceVersions } from "../resources/row-version.service.ts";
import { isIntact, signVersion, statementOf } from "./integrity.ts";
import { TooManyVersions } from "./record.errors.ts";
import { listPastVersions } from "./record.store.ts";
import { medicalRecords, pastVersions } from "./record.table.ts";
import {
  hidden,
  MAX_VERSIONS,
  type MedicalRecord,
  nextVersion,
  occurred,
  pastVersion,
  type RecordContent,
  recordOf,
} from "./record.ts";

/**
 * The key with which this clinician's versions are signed, made at first use; outside of any
 * transaction.
 */
export function clinicianKey(context: Context, actor: Actor): Promise<SigningKey> {
  return signingKey(context.pool, context.keyring, `clinician/${actor.id}`);
}

/** Adds a record about a patient, signed for its author. Throws NotFound. */
export async function addRecord(
  context: Context,
  actor: Actor,
  patientId: string,
  input: NewMedicalRecord,
  request: WriteRequest,
): Promise<Answer<MedicalRecordView>> {
  const key = await clinicianKey(context, actor);
  const make = (made: PatientOwned) => {
    const record = {
      ...made,
      ...contentFrom(input, made.createdAt),
      authorId: actor.id,
      version: 1,
      hiddenAt: null,
    };
    return { ...record, integrity: signVersion(record, key, actor.id, made.createdAt, context.digest) };
  };
  return create(context, actor, medicalRecords, patientId, make, request);
}

/**
 * Makes a new version of a record; the former one is kept. Throws NotFound, VersionConflict,
 * TooManyVersions.
 */
export async function reviseRecord(
  context: Context,
  actor: Actor,
  id: string,
  input: NewMedicalRecord,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<Answer<MedicalRecordView>> {
  const key = await clinicianKey(context, actor);
  const revise = async (found: MedicalRecord, held: Held) => {
    const { tx, subjectKey } = held;
    if (found.version >= MAX_VERSIONS) throw new TooManyVersions();
    const now = new Date();
    const past = pastVersion(found, newId());
    const box = pastVersions.table.seal(context.keyring, subjectKey, past);
    await store.insert(tx, context, actor, "record:write", pastVersions, [past], [box]);
    held.version = { versionId: past.id, versionSha256: pastVersions.table.boxHash(box.sealed) };
    const unsigned = nextVersion(found, contentFrom(input, knownAt(found), found), actor.id, now);
    return { ...unsigned, integrity: signVersion(unsigned, key, actor.id, now, context.digest) };
  };
  return changeOnce(context, actor, medicalRecords, id, expectedRev, { verb: "revised" }, revise, request);
}

const contentFrom = (
  { occurredAt, code, ...input }: NewMedicalRecord,
  knownAt: Date,
  found?: MedicalRecord,
): RecordContent => ({
  ...contentOf(medicalRecords, input),
  ...(code === undefined && isOfSame(input, found) ? codes(found) : codedFrom(code, found)),
  ...occurred(occurredAt, knownAt),
});

const codes = ({ code, codeSystem, codeDisplay }: MedicalRecord) => ({ code, codeSystem, codeDisplay });

/** Who says nothing of codes, and calls it the same, takes none away. */
const isOfSame = (
  { type, title }: Pick<NewMedicalRecord, "type" | "title">,
  found?: MedicalRecord,
): found is MedicalRecord => found?.type === type && found.title === title;

/** What had no date keeps its place in lists. */
const knownAt = (found: MedicalRecord): Date =>
  asSaid(found, "occurredAt") === null ? found.occurredAt : found.createdAt;

/** Hides a record; every version of it is kept. Throws NotFound, VersionConflict. */
export function hideRecord(
  context: Context,
  actor: Actor,
  id: string,
  expectedRev: number | null,
): Promise<Answer<never>> {
  return inTransaction(context.pool, async (tx) => {
    await hideIn(tx, context, actor, id, expectedRev);
    return {};
  });
}

/** As hideRecord, in the caller's transaction. */
export async function hideIn(
  tx: Tx,
  context: Context,
  actor: Actor,
  id: string,
  expectedRev: number | null,
): Promise<void> {
  const act = { verb: "hidden", permission: "record:delete", fields: [] } as const;
  const now = new Date();
  const hide = (found: MedicalRecord) => hidden(found, now) ?? found;
  await change(tx, context, actor, medicalRecords, id, expectedRev, act, hide);
}

/**
 * Every version (at most `limit`), newest first; of a hidden record only for those who may write
 * records. Throws NotFound.
 */
export async function listVersions(
  context: Context,
  actor: Actor,
  id: string,
  limit?: number,
): Promise<Answer<{ items: (MedicalRecordView | DamagedRow)[] }>> {
  const record = await store.find(context.pool, context, actor, "record:read", medicalRecords, id);
  if (!record || (medicalRecords.isHidden(record) && scopeOf(actor, "record:write") === null))
    throw await notFound(context.pool, actor, "record:read", medicalRecords, id);
  const past = await listPastVersions(context.pool, context, actor, id);
  const earlier = past.map((one) => (isDamaged(one) ? { ...one, id } : recordOf(one)));
  const versions = [record, ...earlier].slice(0, limit);
  await announceVersions(context, actor, medicalRecords, record, versions);
  const items = versions.map((one) => ({
    ...medicalRecords.listed(one),
    version: one.version ?? record.rev,
  }));
  return { body: { items } };
}

/** Hash and signature of the present version, and whether they hold. Throws NotFound. */
export async function readIntegrity(
  context: Context,
  actor: Actor,
  id: string,
): Promise<Answer<IntegrityView>> {
  const record = await find(context, actor, medicalRecords, id);
  const { integrity } = record;
  const act = readActOf(medicalRecords, record);
  await context.appender.append(done(actor, { ...act, verb: "integrity-read", fields: ["integrity"] }));
  const body = {
    contentHash: integrity.contentHash,
    ...(integrity.digest && { digest: integrity.digest }),
    signature: integrity.signature,
    signedBy: integrity.signedBy,
    signedAt: integrity.signedAt,
    publicKey: publicKeyOf(integrity.publicKey).export({ type: "spki", format: "pem" }).toString(),
    statement: statementOf(record, integrity),
    version: record.version,
    valid: isIntact(record, integrity),
  };
  return { body };
}
