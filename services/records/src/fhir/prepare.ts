import { createHash } from "node:crypto";
import { type Actor, newId } from "@medvault/contracts";
import type { Sealed, SealedTable, SigningKey, TokenChain } from "@medvault/keys";
import { inBatches, mapGently } from "../batches.ts";
import { claims } from "../claims/claim.table.ts";
import type { Claim } from "../claims/claim.ts";
import type { Context } from "../context.ts";
import { type Integrity, signVersions } from "../medical-records/integrity.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import { patients } from "../patients/patient.table.ts";
import { newPatient, type Patient } from "../patients/patient.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Prescription } from "../prescriptions/prescription.ts";
import { fhirResources, type KeptResource } from "./fhir.table.ts";
import type { ImportPlan, Known, PlannedClaim, PlannedPrescription, PlannedRecord } from "./map.ts";

/** Under which subject a bundle goes. */
export interface Target {
  patient: "created" | "matched" | "none";
  subjectId: string;
  wrapped: Buffer;
}

/** A value ready to be stored: its box, and the tokens by which it is known. */
export interface Ready<T> {
  value: T;
  box: Sealed;
  boxSha256: string;
  tokens: Buffer[];
}

export interface ReadyImport {
  patient: Ready<Patient> | null;
  records: Ready<MedicalRecord>[];
  prescriptions: Ready<Prescription>[];
  claims: Ready<Claim>[];
  kept: Ready<KeptResource>[];
}

/** The base token of a name from `sources.ts`, within one scope. Hashed first: the index would fold its case. */
export function tokenOf(chain: TokenChain, scope: string, name: string): Buffer {
  return chain.base(
    createHash("sha256")
      .update(JSON.stringify([scope, name]))
      .digest("hex"),
  );
}

/** The tokens by which each resource of a plan is known. */
export type SourceTokens = ReadonlyMap<Known, Buffer[]>;

/** The tokens of a whole plan within its subject. */
export async function sourceTokens(
  context: Context,
  plan: ImportPlan,
  subjectId: string,
): Promise<SourceTokens> {
  const { patient, records, prescriptions, claims: planned, kept } = plan;
  const all: Known[] = [...(patient ? [patient] : []), ...records, ...prescriptions, ...planned, ...kept];
  const tokens = await mapGently(all, (item) =>
    item.names.map((name) => tokenOf(context.indexes.sources, subjectId, name)),
  );
  return new Map(all.map((item, at) => [item, tokens[at] ?? []]));
}

/**
 * Makes and seals every row of a plan that is not known yet. All of it happens before a transaction opens; what is
 * long is sealed by worker threads.
 */
export async function prepareImport(
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  target: Target,
  key: SigningKey,
  tokensOf: SourceTokens,
  known: ReadonlySet<string>,
  now: Date,
): Promise<ReadyImport> {
  const { subjectId } = target;
  const ready = async <P extends Known, T extends object>(
    table: SealedTable<T>,
    items: readonly P[],
    make: (item: P) => T,
    finish: (values: T[]) => Promise<T[]> = (values) => Promise.resolve(values),
  ): Promise<Ready<T>[]> => {
    const sealed: Ready<T>[] = [];
    const fresh = items
      .map((item) => ({ item, tokens: tokensOf.get(item) ?? [] }))
      .filter(({ tokens }) => !tokens.some((token) => known.has(token.toString("hex"))));
    await inBatches(fresh, async (batch) => {
      const values = await finish(batch.map(({ item }) => make(item)));
      const boxes = await table.sealMany(
        context.keyring,
        values.map((value) => ({ subjectKey: target.wrapped, value })),
      );
      for (const [at, { tokens }] of batch.entries()) {
        const [value, box] = [values[at], boxes[at]];
        if (value && box) sealed.push({ value, box, boxSha256: table.boxHash(box.sealed), tokens });
      }
    });
    return sealed;
  };
  const made = { id: "", rev: 1, patientId: subjectId, createdAt: now, updatedAt: now };
  return {
    patient:
      target.patient === "created" && plan.patient
        ? ((await ready(patients, [plan.patient], () => patientOf(plan, subjectId, actor, now)))[0] ?? null)
        : null,
    records: await ready(
      medicalRecords,
      plan.records,
      (item) => recordOf(item, { ...made, id: newId() }, actor, now),
      (values) => signVersions(values, key, actor.id, now, context.digest),
    ),
    prescriptions: await ready(prescriptions, plan.prescriptions, (item) =>
      prescriptionOf(item, { ...made, id: newId() }, actor, now),
    ),
    claims: await ready(claims, plan.claims, (item) => claimOf(item, { ...made, id: newId() }, actor)),
    kept: await ready(fhirResources, plan.kept, ({ original }) => ({
      id: newId(),
      rev: 1,
      subjectId,
      createdAt: now,
      ...original,
    })),
  };
}

const UNSIGNED: Integrity = {
  contentHash: "",
  signature: "",
  signedBy: "",
  signedAt: "",
  publicKey: { kty: "OKP", crv: "Ed25519", x: "" },
};

type Made = { id: string; rev: number; patientId: string; createdAt: Date; updatedAt: Date };

function patientOf(plan: ImportPlan, id: string, actor: Actor, now: Date): Patient {
  if (!plan.patient) throw new TypeError("a plan with a patient is needed");
  const { mapped, original } = plan.patient;
  return newPatient(id, mapped, { userId: null, source: original, createdBy: actor.id, now });
}

/** Not signed yet: that happens for a batch at a time. */
function recordOf(item: PlannedRecord, made: Made, actor: Actor, now: Date): MedicalRecord {
  const { occurredAt, ...mapped } = item.mapped;
  return {
    ...made,
    ...mapped,
    occurredAt: occurredAt === null ? now : new Date(occurredAt),
    authorId: actor.id,
    version: 1,
    hiddenAt: null,
    integrity: UNSIGNED,
    source: item.original,
  };
}

function prescriptionOf(item: PlannedPrescription, made: Made, actor: Actor, now: Date): Prescription {
  return {
    ...made,
    ...item.mapped,
    startDate: item.mapped.startDate ?? now.toISOString().slice(0, 10),
    prescribedBy: actor.id,
    source: item.original,
  };
}

function claimOf(item: PlannedClaim, made: Made, actor: Actor): Claim {
  const { createdAt, ...mapped } = item.mapped;
  return {
    ...made,
    ...mapped,
    createdAt: createdAt === null ? made.createdAt : new Date(createdAt),
    createdBy: actor.id,
    reason: null,
    source: item.original,
  };
}
