import { createHash } from "node:crypto";
import { type Actor, type FhirImportView, newId, Unavailable } from "@medvault/contracts";
import {
  findSubjectKeys,
  insertSubjectKeys,
  isKeyOutdated,
  newSubjectKey,
  type Sealed,
} from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import { reachablePatientKey } from "../access/access.store.ts";
import { inBatches } from "../batches.ts";
import { addMember } from "../care-team/care-team.store.ts";
import { insertClaims } from "../claims/claim.store.ts";
import type { Context } from "../context.ts";
import { type Act, done, SOURCE } from "../events.ts";
import { clinicianKey } from "../medical-records/record.service.ts";
import { insertRecords } from "../medical-records/record.store.ts";
import { insertPatient } from "../patients/patient.store.ts";
import { insertPrescriptions } from "../prescriptions/prescription.store.ts";
import { type WriteAnswer, type WriteRequest, write } from "../write.ts";
import { parseBundle } from "./bundle.ts";
import { PatientAmbiguous, TargetChanged } from "./fhir.errors.ts";
import * as store from "./import.store.ts";
import { type ImportPlan, planImport } from "./map.ts";
import {
  prepareImport,
  type Ready,
  type ReadyImport,
  sourceTokens,
  type Target,
  tokenOf,
} from "./prepare.ts";

const MAX_ATTEMPTS = 5;

/**
 * Stores a FHIR R4 bundle, whole or not at all; what is known already is not stored again. Its patient is matched
 * only among those whom the caller may write; otherwise a new one is made, whether or not somebody else has them.
 * Throws InvalidInput (with paths), PatientAmbiguous.
 */
export async function importBundle(
  context: Context,
  actor: Actor,
  body: unknown,
  request: WriteRequest,
): Promise<WriteAnswer<FhirImportView>> {
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
      // Another import made the patient, access to it ended, or its key was wrapped anew, while this one was sealing.
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
  const known = await store.knownSources(tx, context, actor, target.subjectId, tokensOf(sealed));
  const ready = withoutKnown(sealed, known);
  if (ready.patient) {
    const { value, box } = ready.patient;
    if (!(await insertPatient(tx, context, actor, value, box))) throw new TargetChanged();
    await store.insertIdentifiers(tx, context, actor, target.subjectId, identifierTokens(context, plan));
    await addMember(tx, actor, "patient:write", target.subjectId, actor.id, value.createdAt);
  }
  const { records, prescriptions, claims, kept } = ready;
  await insertAll(records, (values, boxes) => insertRecords(tx, actor, "fhir:import", values, boxes));
  await insertAll(prescriptions, (values, boxes) =>
    insertPrescriptions(tx, context, actor, "fhir:import", values, boxes),
  );
  await insertAll(claims, (values, boxes) => insertClaims(tx, actor, "fhir:import", values, boxes));
  await insertAll(kept, (values, boxes) => store.insertKept(tx, actor, values, boxes));
  const stored = [
    ...(ready.patient ? [ready.patient] : []),
    ...records,
    ...prescriptions,
    ...claims,
    ...kept,
  ];
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

function insertAll<T>(
  items: readonly Ready<T>[],
  insert: (values: T[], boxes: Sealed[]) => Promise<void>,
): Promise<void> {
  return inBatches(items, (batch) =>
    insert(
      batch.map((item) => item.value),
      batch.map((item) => item.box),
    ),
  );
}

/** Locks the subject against other imports and checks that it is still the one that the boxes were sealed for. */
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
  return {
    patient: ready.patient,
    records: ready.records.filter(isNew),
    prescriptions: ready.prescriptions.filter(isNew),
    claims: ready.claims.filter(isNew),
    kept: ready.kept.filter(isNew),
  };
}

function identifierTokens(context: Context, plan: ImportPlan): Buffer[] {
  return (plan.patient?.patientNames ?? []).map((name) =>
    tokenOf(context.indexes.identifiers, "patient", name),
  );
}

function tokensOf({ patient, records, prescriptions, claims, kept }: ReadyImport): Buffer[] {
  const all = [...(patient ? [patient] : []), ...records, ...prescriptions, ...claims, ...kept];
  return all.flatMap((item) => item.tokens);
}

function viewOf(plan: ImportPlan, target: Target, ready: ReadyImport, stored: number): FhirImportView {
  const kept: Record<string, number> = {};
  for (const { value } of ready.kept) {
    kept[value.resource.resourceType] = (kept[value.resource.resourceType] ?? 0) + 1;
  }
  return {
    patientId: target.patient === "none" ? null : target.subjectId,
    patient: target.patient,
    total: plan.total,
    stored: {
      patients: ready.patient ? 1 : 0,
      records: ready.records.length,
      prescriptions: ready.prescriptions.length,
      claims: ready.claims.length,
    },
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

/** One event for all of it: counts, and one hash over every box at revision 1, so that a row rolled back is found. */
function detailsOf(view: FhirImportView, stored: readonly Ready<{ id: string }>[]) {
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
