import { createHash } from "node:crypto";
import { type Actor, type FhirImportView, Unavailable } from "@medvault/contracts";
import { isKeyOutdated } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { addMember } from "../care-team/care-team.store.ts";
import type { Context } from "../context.ts";
import { type KeptResource, keptResources } from "../fhir/kept-resource.table.ts";
import { clinicianKey } from "../medical-records/record.service.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { type Act, done, SOURCE } from "../resources/resource.events.ts";
import { insert } from "../resources/resource.store.ts";
import { write } from "../resources/write.service.ts";
import { inBatches } from "./batch.ts";
import { parseBundle } from "./bundle.ts";
import { clinicalResources } from "./clinical-resources.ts";
import { TargetChanged } from "./fhir.errors.ts";
import * as store from "./import.store.ts";
import { type ImportPlan, planImport } from "./plan.ts";
import {
  prepareImport,
  type Ready,
  type ReadyImport,
  sourceTokens,
  type Target,
  targetOf,
} from "./preparation.ts";
import { findTargets, holdTargets, identifierTokens } from "./target.service.ts";

const MAX_ATTEMPTS = 5;

/**
 * Stores a FHIR R4 bundle, whole or not at all; what is known already is not stored again. Its
 * patients are matched only among those whom the caller may write; otherwise new ones are made,
 * whether or not others have them. Throws InvalidInput (with paths), PatientAmbiguous.
 */
export async function importBundle(
  context: Context,
  actor: Actor,
  body: unknown,
  request: WriteRequest,
): Promise<Answer<FhirImportView>> {
  const plan = await planImport(parseBundle(body));
  const key = await clinicianKey(context, actor);
  for (let attempt = 1; ; attempt++) {
    const targets = await findTargets(context, actor, plan);
    const tokens = await sourceTokens(context, plan, targets);
    const asked = [...tokens].flatMap(([item, of]) => {
      const { patient, subjectId } = targetOf(targets, item);
      return patient === "created" ? [] : of.map((token) => ({ subjectId, token }));
    });
    const known = await store.knownSources(context.pool, context, actor, asked);
    try {
      const ready = await prepareImport(context, actor, plan, targets, key, tokens, known, new Date());
      return await write(
        context,
        actor,
        request,
        (tx) => storeImport(tx, context, actor, plan, targets, ready),
        importAct,
      );
    } catch (error) {
      if (!(error instanceof TargetChanged || isKeyOutdated(error))) throw error;
      // Another import made a patient, access to one ended, or a key was wrapped again, while this
      // one was sealing.
      if (attempt === MAX_ATTEMPTS) throw new Unavailable();
    }
  }
}

async function storeImport(
  tx: Tx,
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  targets: readonly Target[],
  sealed: ReadyImport,
): Promise<{ status: number; body: FhirImportView }> {
  await holdTargets(tx, context, actor, plan, targets);
  // Read again under the locks: an import that finished meanwhile has stored some of it.
  const known = await store.knownSources(tx, context, actor, rowsOf(sealed).flatMap(sourcesOf));
  const ready = withoutKnown(sealed, known);
  await storePatients(tx, context, actor, plan, targets, ready.patients);
  for (const [table, items] of ready.tables) {
    await inBatches(items, async (batch) => {
      const [values, boxes] = [batch.map(({ value }) => value), batch.map(({ box }) => box)];
      await insert(tx, context, actor, "fhir:import", table, values, boxes);
    });
  }
  const stored = rowsOf(ready);
  await inBatches(stored, (batch) => store.insertSources(tx, context, actor, batch.flatMap(sourcesOf)));
  const view = viewOf(plan, targets, ready, stored.length);
  await emit(tx, SOURCE, done(actor, { ...importAct(view), details: detailsOf(view, stored) }));
  return { status: 200, body: view };
}

/** Who is made, with the identifiers by which they are known; their maker is on the care team. */
async function storePatients(
  tx: Tx,
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  targets: readonly Target[],
  made: readonly Ready<Patient>[],
): Promise<void> {
  if (made.length === 0) return;
  const [values, boxes] = [made.map(({ value }) => value), made.map(({ box }) => box)];
  if ((await insert(tx, context, actor, "patient:write", patients, values, boxes)) < made.length) {
    throw new TargetChanged();
  }
  const identifiers = targets.flatMap(({ patient, subjectId }, at) =>
    patient === "created"
      ? identifierTokens(context, plan.subjects[at]).map((token) => ({ subjectId, token }))
      : [],
  );
  await store.insertIdentifiers(tx, context, actor, identifiers);
  const ids = values.map(({ id }) => id);
  await addMember(tx, actor, "patient:write", ids, actor.id, (values[0] as Patient).createdAt);
}

function withoutKnown(ready: ReadyImport, known: ReadonlySet<string>): ReadyImport {
  const isNew = ({ tokens }: { tokens: Buffer[] }) =>
    !tokens.some((token) => known.has(token.toString("hex")));
  const tables = [...ready.tables].map(([table, items]) => [table, items.filter(isNew)] as const);
  return { patients: ready.patients, tables: new Map(tables) };
}

/** Every row of an import, the patients' first. */
function rowsOf({ patients, tables }: ReadyImport): Ready<Row>[] {
  return [...patients, ...[...tables.values()].flat()];
}

const sourcesOf = ({ subjectId, tokens }: Ready<Row>): store.SubjectToken[] =>
  tokens.map((token) => ({ subjectId, token }));

function viewOf(
  plan: ImportPlan,
  targets: readonly Target[],
  ready: ReadyImport,
  stored: number,
): FhirImportView {
  const count = (table: PatientTable<Row>) => ready.tables.get(table)?.length ?? 0;
  const kept: Record<string, number> = {};
  for (const { value } of ready.tables.get(keptResources) ?? []) {
    const { resourceType } = (value as KeptResource).resource;
    kept[resourceType] = (kept[resourceType] ?? 0) + 1;
  }
  const found = targets.flatMap(({ patient, subjectId }) =>
    patient === "none" ? [] : [{ patientId: subjectId, patient }],
  );
  return {
    ...(found[0] ?? { patientId: null, patient: "none" }),
    patients: found,
    total: plan.total,
    stored: Object.fromEntries([
      ["patients", ready.patients.length],
      ...clinicalResources.map((resource) => [resource.plural, count(resource)]),
    ]) as FhirImportView["stored"],
    kept,
    existing: plan.total - stored,
  };
}

function importAct({ patientId, patients }: FhirImportView): Act {
  return {
    noun: "fhir",
    verb: "imported",
    permission: "fhir:import",
    subject: patientId === null ? "fhir" : `patient/${patientId}`,
    patientIds: patients.map((one) => one.patientId),
  };
}

/**
 * One event for all of it: counts, and one hash over every box at revision 1, so that a row rolled
 * back is found.
 */
function detailsOf(view: FhirImportView, stored: readonly Ready<Row>[]) {
  const lines = stored.map((item) => `${item.value.id} 1 ${item.boxSha256}`).sort();
  return {
    patient: view.patient,
    created: view.patients.filter(({ patient }) => patient === "created").length,
    matched: view.patients.filter(({ patient }) => patient === "matched").length,
    total: view.total,
    ...view.stored,
    kept: Object.values(view.kept).reduce((sum, n) => sum + n, 0),
    existing: view.existing,
    boxesSha256: createHash("sha256").update(lines.join("\n")).digest("hex"),
  };
}
