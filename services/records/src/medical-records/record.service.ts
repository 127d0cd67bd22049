import {
  type Actor,
  type IntegrityView,
  type MedicalRecordListQuery,
  type MedicalRecordView,
  type NewMedicalRecord,
  NotFound,
  newId,
  scopeOf,
  VersionConflict,
} from "@medvault/contracts";
import { publicKeyOf } from "@medvault/crypto";
import { type SigningKey, signingKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { reachablePatientKey, reaches } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { type Act, boxDetails, done, SOURCE } from "../events.ts";
import type { Page } from "../paging.ts";
import { fillPage } from "../search.ts";
import { type WriteAnswer, type WriteRequest, write } from "../write.ts";
import { isIntact, signVersion, statementOf } from "./integrity.ts";
import { TooManyVersions } from "./record.errors.ts";
import * as store from "./record.store.ts";
import { pastVersions, medicalRecords as table } from "./record.table.ts";
import {
  MAX_VERSIONS,
  type MedicalRecord,
  nextVersion,
  pastVersion,
  RECORD_FIELDS,
  viewOf,
  viewOfPast,
} from "./record.ts";

export interface Shown {
  view: MedicalRecordView;
  rev: number;
}

/** The key with which this clinician's versions are signed, made at first use; outside of any transaction. */
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
): Promise<WriteAnswer<MedicalRecordView>> {
  const key = await clinicianKey(context, actor);
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const subjectKey = await reachablePatientKey(tx, actor, "record:write", patientId);
      if (!subjectKey) throw new NotFound();
      const record = newRecord(context, patientId, input, actor.id, key);
      const box = table.seal(context.keyring, subjectKey, record);
      await store.insertRecords(tx, actor, "record:write", [record], [box]);
      await emit(tx, SOURCE, wrote(actor, "created", record, box.sealed));
      return { status: 201, body: viewOf(record), rev: record.rev };
    },
    readAct,
  );
}

function newRecord(
  context: Context,
  patientId: string,
  input: NewMedicalRecord,
  authorId: string,
  key: SigningKey,
): MedicalRecord {
  const now = new Date();
  const record = {
    ...input,
    id: newId(),
    rev: 1,
    patientId,
    authorId,
    version: 1,
    code: input.code ?? null,
    occurredAt: new Date(input.occurredAt),
    createdAt: now,
    updatedAt: now,
    hiddenAt: null,
    source: null,
  };
  return { ...record, integrity: signVersion(record, key, authorId, now, context.digest) };
}

/** One record. A hidden one is not found. Throws NotFound. */
export async function readRecord(context: Context, actor: Actor, id: string): Promise<Shown> {
  const record = await store.findRecord(context.pool, context, actor, "record:read", id);
  if (!record || record.hiddenAt) throw new NotFound();
  const view = viewOf(record);
  await context.appender.append(done(actor, readAct(view)));
  return { view, rev: record.rev };
}

/** A page of a patient's records, latest first. Throws NotFound. */
export async function listRecords(
  context: Context,
  actor: Actor,
  patientId: string,
  query: MedicalRecordListQuery,
): Promise<Page<MedicalRecordView>> {
  if (!(await reaches(context.pool, actor, "record:read", patientId, null))) throw new NotFound();
  const { limit, cursor, type } = query;
  const page = await fillPage({
    limit,
    cursor,
    filter: ["records", patientId, type],
    fetch: async (after, rows) => {
      const candidates = await store.listRecords(context.pool, context, actor, patientId, after, rows);
      return { candidates, isFull: candidates.length === rows };
    },
    matches: (record) => type === undefined || record.type === type, // the type is sealed
    at: (record) => ({ at: record.occurredAt.toISOString(), id: record.id }),
  });
  await context.appender.append(
    done(actor, {
      noun: "record",
      verb: "listed",
      permission: "record:read",
      subject: `patient/${patientId}`,
      patientIds: [patientId],
      fields: RECORD_FIELDS,
      details: { count: page.items.length },
    }),
  );
  return { ...page, items: page.items.map(viewOf) };
}

/** Makes a new version of a record; the former one is kept. Throws NotFound, VersionConflict, TooManyVersions. */
export async function reviseRecord(
  context: Context,
  actor: Actor,
  id: string,
  input: NewMedicalRecord,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<WriteAnswer<MedicalRecordView>> {
  const key = await clinicianKey(context, actor);
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const found = await store.findRecordForUpdate(tx, context, actor, "record:write", id);
      if (!found || found.record.hiddenAt) throw new NotFound();
      if (expectedRev !== null && expectedRev !== found.record.rev) throw new VersionConflict();
      if (found.record.version >= MAX_VERSIONS) throw new TooManyVersions();
      const now = new Date();
      const past = pastVersion(found.record, newId());
      await store.insertPastVersion(
        tx,
        actor,
        past,
        pastVersions.seal(context.keyring, found.subjectKey, past),
      );
      const unsigned = nextVersion(found.record, input, actor.id, now);
      const integrity = signVersion(unsigned, key, actor.id, now, context.digest);
      const record = { ...unsigned, integrity };
      const box = table.seal(context.keyring, found.subjectKey, record);
      if (!(await store.updateRecord(tx, actor, "record:write", record, box))) throw new VersionConflict();
      await emit(tx, SOURCE, wrote(actor, "revised", record, box.sealed));
      return { status: 200, body: viewOf(record), rev: record.rev };
    },
    readAct,
  );
}

/** Hides a record; every version of it is kept. Throws NotFound, VersionConflict. */
export function hideRecord(
  context: Context,
  actor: Actor,
  id: string,
  expectedRev: number | null,
): Promise<void> {
  return inTransaction(context.pool, async (tx) => {
    const found = await store.findRecordForUpdate(tx, context, actor, "record:delete", id);
    if (!found || found.record.hiddenAt) throw new NotFound();
    if (expectedRev !== null && expectedRev !== found.record.rev) throw new VersionConflict();
    const now = new Date();
    const record = { ...found.record, rev: found.record.rev + 1, updatedAt: now, hiddenAt: now };
    const box = table.seal(context.keyring, found.subjectKey, record);
    if (!(await store.updateRecord(tx, actor, "record:delete", record, box))) throw new VersionConflict();
    await emit(tx, SOURCE, wrote(actor, "hidden", record, box.sealed));
  });
}

/** Every version, newest first; of a hidden record only for who may write records. Throws NotFound. */
export async function listVersions(context: Context, actor: Actor, id: string): Promise<MedicalRecordView[]> {
  const record = await store.findRecord(context.pool, context, actor, "record:read", id);
  if (!record || (record.hiddenAt && scopeOf(actor, "record:write") === null)) throw new NotFound();
  const past = await store.listPastVersions(context.pool, context, actor, id);
  const act = readAct(viewOf(record));
  await context.appender.append(
    done(actor, { ...act, verb: "versions-read", details: { versions: past.length + 1 } }),
  );
  return [viewOf(record), ...past.map(viewOfPast)];
}

/** Hash and signature of the present version, and whether they hold. Throws NotFound. */
export async function readIntegrity(context: Context, actor: Actor, id: string): Promise<IntegrityView> {
  const record = await store.findRecord(context.pool, context, actor, "record:read", id);
  if (!record || record.hiddenAt) throw new NotFound();
  const { integrity } = record;
  await context.appender.append(
    done(actor, { ...readAct(viewOf(record)), verb: "integrity-read", fields: ["integrity"] }),
  );
  return {
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
}

function wrote(actor: Actor, verb: "created" | "revised" | "hidden", record: MedicalRecord, sealed: Buffer) {
  return done(actor, {
    ...readAct(viewOf(record)),
    verb,
    permission: verb === "hidden" ? "record:delete" : "record:write",
    fields: verb === "hidden" ? [] : RECORD_FIELDS,
    details: { ...boxDetails(record.rev, table.boxHash(sealed)), version: record.version },
  });
}

function readAct(view: MedicalRecordView): Act {
  return {
    noun: "record",
    verb: "read",
    permission: "record:read",
    subject: `record/${view.id}`,
    patientIds: [view.patientId],
    fields: RECORD_FIELDS,
  };
}
