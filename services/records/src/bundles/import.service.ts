import { createHash } from "node:crypto";
import { type Actor, type FhirImportView, newId, Unavailable } from "@medvault/contracts";
import { findSubjectKeys, insertSubjectKeys, isKeyOutdated, newSubjectKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { reachablePatientKey } from "../access/access.store.ts";
import { addMember } from "../care-team/care-team.store.ts";
import type { Context } from "../context.ts";
import { type KeptResource, keptResources } from "../fhir/kept-resource.table.ts";
import { clinicianKey } from "../medical-records/record.service.ts";
import { patients } from "../patients/patient.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { type Act, done, SOURCE } from "../resources/resource.events.ts";
import { insert } from "../resources/resource.store.ts";
import { write } from "../resources/write.service.ts";
import { inBatches } from "./batch.ts";
import { parseBundle } from "./bundle.ts";
import { clinicalResources } from "./clinical-resources.ts";
import { PatientAmbiguous, TargetChanged } from "./fhir.errors.ts";
import * as store from "./import.store.ts";
import { type ImportPlan, planImport } from "./plan.ts";
import {
  prepareImport,
  type Ready,
  type ReadyImport,
  sourceTokens,
  type Target,
  tokenOf,
} from "./preparation.ts";

const MAX_ATTEMPTS = 5;

/**
 * Stores a FHIR R4 bundle, whole or not at all; what is known already is not stored again. Its
 * patient is matched only among those whom the caller may write; otherwise a new one is made,
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
    const target = await findTarget(context, actor, plan);
    const tokens = await sourceTokens(context, plan, target.subjectId);
    const known =
      target.patient === "created"
        ? new Set<string>()
        : await store.knownSources(
            context.pool,
            context,
            actor,
            target.subjectId,
            [...tokens.values()].flat(),
          );
    try {
      const ready = await prepareImport(context, actor, plan, target, key, tokens, known, new Date());
      return await write(
        context,
        actor,
        request,
        (tx) => storeImport(tx, context, actor, plan, target, ready),
        (view) => importAct(view.patientId),
      );
    } catch (error) {
      if (!(error instanceof TargetChanged || isKeyOutdated(error))) throw error;
      // Another import made the patient, access to it ended, or its key was wrapped again, while
      // this one was sealing.
      if (attempt === MAX_ATTEMPTS) throw new Unavailable();
    }
  }
}

async function findTarget(context: Context, actor: Actor, plan: ImportPlan): Promise<Target> {
  const { pool, keyring } = context;
  if (!plan.patient) {
    const known = await findSubjectKeys(pool, [actor.id]);
    const wrapped = known.get(actor.id) ?? newSubjectKey(keyring, actor.id);
    return { patient: "none", subjectId: actor.id, wrapped };
  }
  const [best, next] = await store.matchPatients(pool, context, actor, identifierTokens(context, plan));
  if (!best) {
    const subjectId = newId();
    return { patient: "created", subjectId, wrapped: newSubjectKey(keyring, subjectId) };
  }
  if (next && next.hits === best.hits) throw new PatientAmbiguous();
  return { patient: "matched", subjectId: best.patientId, wrapped: best.wrapped };
}

async function storeImport(
  tx: Tx,
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  target: Target,
  sealed: ReadyImport,
): Promise<{ status: number; body: FhirImportView }> {
  await holdTarget(tx, context, actor, plan, target);
  // Read again under the lock: an import that finished meanwhile has stored some of it.
  const sources = rowsOf(sealed).flatMap((item) => item.tokens);
  const known = await store.knownSources(tx, context, actor, target.subjectId, sources);
  const ready = withoutKnown(sealed, known);
  if (ready.patient) {
    const { value, box } = ready.patient;
    if ((await insert(tx, context, actor, "patient:write", patients, [value], [box])) === 0) {
      throw new TargetChanged();
    }
    await store.insertIdentifiers(tx, context, actor, target.subjectId, identifierTokens(context, plan));
    await addMember(tx, actor, "patient:write", target.subjectId, actor.id, value.createdAt);
  }
  for (const [table, items] of ready.tables) {
    await inBatches(items, async (batch) => {
      const [values, boxes] = [batch.map(({ value }) => value), batch.map(({ box }) => box)];
      await insert(tx, context, actor, "fhir:import", table, values, boxes);
    });
  }
  const stored = rowsOf(ready);
  await inBatches(stored, (batch) =>
    store.insertSources(
      tx,
      context,
      actor,
      target.subjectId,
      batch.flatMap((item) => item.tokens),
    ),
  );
  const view = viewOf(plan, target, ready, stored.length);
  await emit(tx, SOURCE, done(actor, { ...importAct(view.patientId), details: detailsOf(view, stored) }));
  return { status: 200, body: view };
}

/**
 * Locks the subject against other imports and checks that it is still the one that the boxes were
 * sealed for.
 */
async function holdTarget(
  tx: Tx,
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  target: Target,
): Promise<void> {
  const { subjectId, wrapped } = target;
  if (target.patient === "created") {
    const tokens = identifierTokens(context, plan);
    await store.lockImports(tx, tokens);
    if ((await store.matchPatients(tx, context, actor, tokens)).length > 0) throw new TargetChanged();
    await insertSubjectKeys(tx, new Map([[subjectId, wrapped]]));
    return;
  }
  await store.lockImports(tx, [tokenOf(context.indexes.sources, "subject", subjectId)]);
  const held =
    target.patient === "matched"
      ? await reachablePatientKey(tx, actor, "patient:write", subjectId)
      : (await insertSubjectKeys(tx, new Map([[subjectId, wrapped]]))).get(subjectId);
  if (!held?.equals(wrapped)) throw new TargetChanged();
}

function withoutKnown(ready: ReadyImport, known: ReadonlySet<string>): ReadyImport {
  const isNew = ({ tokens }: { tokens: Buffer[] }) =>
    !tokens.some((token) => known.has(token.toString("hex")));
  const tables = [...ready.tables].map(([table, items]) => [table, items.filter(isNew)] as const);
  return { patient: ready.patient, tables: new Map(tables) };
}

/** Every row of an import, the patient's first. */
function rowsOf({ patient, tables }: ReadyImport): Ready<Row>[] {
  return [...(patient ? [patient] : []), ...[...tables.values()].flat()];
}

function identifierTokens(context: Context, plan: ImportPlan): Buffer[] {
  return (plan.patient?.patientNames ?? []).map((name) =>
    tokenOf(context.indexes.identifiers, "patient", name),
  );
}

function viewOf(plan: ImportPlan, target: Target, ready: ReadyImport, stored: number): FhirImportView {
  const count = (table: PatientTable<Row>) => ready.tables.get(table)?.length ?? 0;
  const kept: Record<string, number> = {};
  for (const { value } of ready.tables.get(keptResources) ?? []) {
    const { resourceType } = (value as KeptResource).resource;
    kept[resourceType] = (kept[resourceType] ?? 0) + 1;
  }
  return {
    patientId: target.patient === "none" ? null : target.subjectId,
    patient: target.patient,
    total: plan.total,
    stored: Object.fromEntries([
      ["patients", ready.patient ? 1 : 0],
      ...clinicalResources.map((resource) => [resource.plural, count(resource)]),
    ]) as FhirImportView["stored"],
    kept,
    existing: plan.total - stored,
  };
}

function importAct(patientId: string | null): Act {
  return {
    noun: "fhir",
    verb: "imported",
    permission: "fhir:import",
    subject: patientId === null ? "fhir" : `patient/${patientId}`,
    patientIds: patientId === null ? [] : [patientId],
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
    total: view.total,
    ...view.stored,
    kept: Object.values(view.kept).reduce((sum, n) => sum + n, 0),
    existing: view.existing,
    boxesSha256: createHash("sha256").update(lines.join("\n")).digest("hex"),
  };
}
