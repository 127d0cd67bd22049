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
import type { ImportPlan, Known, Planned } from "./plan.ts";

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

/** The tokens of a whole plan within its subject. */
export async function sourceTokens(
  context: Context,
  { patient, clinical, kept }: ImportPlan,
  subjectId: string,
): Promise<SourceTokens> {
  const all: Known[] = [...(patient ? [patient] : []), ...[...clinical.values()].flat(), ...kept];
  const tokens = await mapYielding(all, (item) =>
    item.names.map((name) => tokenOf(context.indexes.sources, subjectId, name)),
  );
  return new Map(all.map((item, at) => [item, tokens[at] ?? []]));
}

/**
 * Makes and seals every row of a plan that is not known yet. All of it happens before a transaction
 * opens; what is long is sealed by worker threads.
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
  const { subjectId, wrapped } = target;
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
        values.map((value) => ({ subjectKey: wrapped, value })),
      );
      for (const [at, { tokens }] of batch.entries()) {
        const [value, box] = [values[at], boxes[at]];
        if (value && box) sealed.push({ value, box, boxSha256: table.boxHash(box.sealed), tokens });
      }
    });
    return sealed;
  };
  const made = ({ original: source }: Known, id = newId()) => ({
    id,
    rev: 1,
    patientId: subjectId,
    createdAt: now,
    updatedAt: now,
    source,
  });
  const sign = (records: Row[]): Promise<Row[]> =>
    signVersions(records as MedicalRecord[], key, actor.id, now, context.digest);

  const patient = target.patient === "created" && plan.patient ? [plan.patient] : [];
  const [newPatient = null] = await ready(patients, patient, (item) =>
    item.make(made(item, subjectId), actor.id),
  );
  const tables = new Map<PatientTable<Row>, Ready<Row>[]>();
  for (const [resource, planned] of plan.clinical) {
    const make = (item: Planned) => item.make(made(item), actor.id);
    const finish = resource === medicalRecords ? sign : undefined;
    tables.set(resource, await ready(resource, planned, make, finish));
  }
  const keep = ({ original }: Known) => ({ id: newId(), rev: 1, subjectId, createdAt: now, ...original });
  tables.set(keptResources, await ready(keptResources, plan.kept, keep));
  return { patient: newPatient, tables };
}
