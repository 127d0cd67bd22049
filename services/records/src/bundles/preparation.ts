import { createHash } from "node:crypto";
import { type Actor, newId } from "@medvault/contracts";
import type { Sealed, SigningKey, TokenChain } from "@medvault/keys";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { signVersions } from "../medical-records/integrity.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { inBatches, mapYielding } from "./batch.ts";
import type { ImportPlan, Known, Planned, PlannedPatient } from "./plan.ts";

/** Whose a subject of a plan is: under which id and key its rows go. */
export interface Target {
  patient: "created" | "matched" | "none";
  subjectId: string;
  wrapped: Buffer;
}

/** A value ready to be stored: its box, and the tokens by which it is known. */
export interface Ready<T> {
  value: T;
  subjectId: string;
  box: Sealed;
  boxSha256: string;
  tokens: Buffer[];
}

export interface ReadyImport {
  /** Those who are made. */
  patients: Ready<Patient>[];
  /** What goes into each table, in the order in which it is stored. */
  tables: ReadonlyMap<PatientTable<Row>, Ready<Row>[]>;
}

/**
 * The base token of a name from `source.ts`, within one scope. Hashed first: the index would fold
 * its case.
 */
export function tokenOf(chain: TokenChain, scope: string, name: string): Buffer {
  return chain.base(
    createHash("sha256")
      .update(JSON.stringify([scope, name]))
      .digest("hex"),
  );
}

/** The tokens by which each resource of a plan is known. */
export type SourceTokens = ReadonlyMap<Known, Buffer[]>;

/** The tokens of a whole plan, each within its subject. */
export async function sourceTokens(
  context: Context,
  { subjects, clinical, kept }: ImportPlan,
  targets: readonly Target[],
): Promise<SourceTokens> {
  const patients = subjects.filter((patient) => patient !== null);
  const all: Known[] = [...patients, ...[...clinical.values()].flat(), ...kept];
  const tokens = await mapYielding(all, (item) =>
    item.names.map((name) => tokenOf(context.indexes.sources, targetOf(targets, item).subjectId, name)),
  );
  return new Map(all.map((item, at) => [item, tokens[at] ?? []]));
}

/** Under whom a resource of a plan goes. */
export function targetOf(targets: readonly Target[], { subject }: Pick<Known, "subject">): Target {
  const target = targets[subject];
  if (!target) throw new TypeError("a subject of the plan has no target");
  return target;
}

/**
 * Makes and seals every row of a plan that is not known yet. All of it happens before a transaction
 * opens; what is long is sealed by worker threads.
 */
export async function prepareImport(
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  targets: readonly Target[],
  key: SigningKey,
  tokensOf: SourceTokens,
  known: ReadonlySet<string>,
  now: Date,
): Promise<ReadyImport> {
  const ready = async <P extends Known, T extends Row>(
    { table }: PatientTable<T>,
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
        values.map((value, at) => ({ subjectKey: keyOf(batch[at]?.item), value })),
      );
      for (const [at, { item, tokens }] of batch.entries()) {
        const [value, box, { subjectId }] = [values[at], boxes[at], targetOf(targets, item)];
        if (value && box)
          sealed.push({ value, subjectId, box, boxSha256: table.boxHash(box.sealed), tokens });
      }
    });
    return sealed;
  };
  const keyOf = (item: Known | undefined) => targetOf(targets, { subject: item?.subject ?? -1 }).wrapped;
  const made = (item: Known, patientId = targetOf(targets, item).subjectId, id = newId()) => ({
    id,
    rev: 1,
    patientId,
    createdAt: now,
    updatedAt: now,
    source: item.original,
  });
  const sign = (records: Row[]): Promise<Row[]> =>
    signVersions(records as MedicalRecord[], key, actor.id, now, context.digest);

  const created = plan.subjects.filter(
    (patient, at) => patient !== null && targets[at]?.patient === "created",
  );
  const newPatients = await ready(patients, created as PlannedPatient[], (item) => {
    const { subjectId } = targetOf(targets, item);
    return item.make(made(item, subjectId, subjectId), actor.id);
  });
  const tables = new Map<PatientTable<Row>, Ready<Row>[]>();
  for (const [resource, planned] of plan.clinical) {
    const make = (item: Planned) => item.make(made(item), actor.id);
    const finish = resource === medicalRecords ? sign : undefined;
    tables.set(resource, await ready(resource, planned, make, finish));
  }
  const keep = (item: Known) => {
    const { subjectId } = targetOf(targets, item);
    return { id: newId(), rev: 1, subjectId, createdAt: now, ...item.original };
  };
  tables.set(keptResources, await ready(keptResources, plan.kept, keep));
  return { patients: newPatients, tables };
}
