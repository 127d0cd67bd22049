import { createHash } from "node:crypto";
import { setImmediate as breathe } from "node:timers/promises";
import { type Actor, newId } from "@medvault/contracts";
import { exactToken } from "@medvault/crypto";
import type { Sealed, SealedTable, SigningKey } from "@medvault/keys";
import { claims } from "../claims/claim.table.ts";
import type { Claim } from "../claims/claim.ts";
import type { Context } from "../context.ts";
import { signVersion } from "../medical-records/integrity.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import { patients } from "../patients/patient.table.ts";
import { newPatient, type Patient } from "../patients/patient.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Prescription } from "../prescriptions/prescription.ts";
import { fhirResources, type KeptResource } from "./fhir.table.ts";
import type { ImportPlan, PlannedClaim, PlannedPrescription, PlannedRecord } from "./map.ts";

/** Signatures (60 µs each) between two breaths of the event loop. */
const SIGNATURES_AT_ONCE = 200;

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

/** The keyed token of a name from `sources.ts`, within one scope. Hashed first: the index would fold its case. */
export function tokenOf(key: Buffer, scope: string, name: string): Buffer {
  return exactToken(
    key,
    createHash("sha256")
      .update(JSON.stringify([scope, name]))
      .digest("hex"),
  );
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
  known: ReadonlySet<string>,
  now: Date,
): Promise<ReadyImport> {
  const { subjectId } = target;
  const unknown = <T extends { names: string[] }>(items: readonly T[]) =>
    items
      .map((item) => ({
        item,
        tokens: item.names.map((name) => tokenOf(context.indexes.sources, subjectId, name)),
      }))
      .filter(({ tokens }) => !tokens.some((token) => known.has(token.toString("hex"))));
  const ready = async <P extends { names: string[] }, T extends object>(
    table: SealedTable<T>,
    items: readonly P[],
    make: (item: P) => T,
  ): Promise<Ready<T>[]> => {
    const found = unknown(items);
    const values: T[] = [];
    for (const { item } of found) {
      values.push(make(item));
      if (values.length % SIGNATURES_AT_ONCE === 0) await breathe();
    }
    const boxes = await table.sealMany(
      context.keyring,
      values.map((value) => ({ subjectKey: target.wrapped, value })),
    );
    return found.flatMap(({ tokens }, at) => {
      const [value, box] = [values[at], boxes[at]];
      return value && box ? [{ value, box, boxSha256: table.boxHash(box.sealed), tokens }] : [];
    });
  };
  const made = { id: "", rev: 1, patientId: subjectId, createdAt: now, updatedAt: now };
  return {
    patient:
      target.patient === "created" && plan.patient
        ? ((await ready(patients, [plan.patient], () => patientOf(plan, subjectId, actor, now)))[0] ?? null)
        : null,
    records: await ready(medicalRecords, plan.records, (item) =>
      recordOf(item, { ...made, id: newId() }, actor, key, now),
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

type Made = { id: string; rev: number; patientId: string; createdAt: Date; updatedAt: Date };

function patientOf(plan: ImportPlan, id: string, actor: Actor, now: Date): Patient {
  if (!plan.patient) throw new TypeError("a plan with a patient is needed");
  const { mapped, original } = plan.patient;
  return newPatient(id, mapped, { userId: null, source: original, createdBy: actor.id, now });
}

function recordOf(item: PlannedRecord, made: Made, actor: Actor, key: SigningKey, now: Date): MedicalRecord {
  const { occurredAt, ...mapped } = item.mapped;
  const record = {
    ...made,
    ...mapped,
    occurredAt: occurredAt === null ? now : new Date(occurredAt),
    authorId: actor.id,
    version: 1,
    hiddenAt: null,
    source: item.original,
  };
  return { ...record, integrity: signVersion(record, key, actor.id, now) };
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
