import { type Actor, newId } from "@medvault/contracts";
import { findSubjectKeys, insertSubjectKeys, newSubjectKey } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import { reachablePatientKeys } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { PatientAmbiguous, TargetChanged } from "./fhir.errors.ts";
import * as store from "./import.store.ts";
import type { ImportPlan, PlannedPatient } from "./plan.ts";
import { type Target, tokenOf } from "./preparation.service.ts";

/**
 * Whose each subject of a plan is. A patient is matched only among those whom the caller may write,
 * and a chart is one patient's of a bundle. Throws PatientAmbiguous.
 */
export async function findTargets(context: Context, actor: Actor, plan: ImportPlan): Promise<Target[]> {
  const targets: Target[] = [];
  for (const patient of plan.subjects) {
    const target = patient ? await findPatient(context, actor, patient) : await findLoader(context, actor);
    if (targets.some(({ subjectId }) => subjectId === target.subjectId)) throw new PatientAmbiguous();
    targets.push(target);
  }
  return targets;
}

async function findLoader({ pool, keyring }: Context, actor: Actor): Promise<Target> {
  const known = await findSubjectKeys(pool, [actor.id]);
  const wrapped = known.get(actor.id) ?? newSubjectKey(keyring, actor.id);
  return { patient: "none", subjectId: actor.id, wrapped };
}

async function findPatient(context: Context, actor: Actor, patient: PlannedPatient): Promise<Target> {
  const tokens = identifierTokens(context, patient);
  const [best, next] = await store.matchPatients(context.pool, context, actor, tokens);
  if (!best) return newTarget(context);
  if (next && next.hits === best.hits) throw new PatientAmbiguous();
  return { patient: "matched", subjectId: best.patientId, wrapped: best.wrapped };
}

function newTarget({ keyring }: Context): Target {
  const subjectId = newId();
  return { patient: "created", subjectId, wrapped: newSubjectKey(keyring, subjectId) };
}

/**
 * Locks the subjects against other imports, all in one order, and checks that they are still those
 * that the boxes were sealed for. Throws TargetChanged.
 */
export async function holdTargets(
  tx: Tx,
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  targets: readonly Target[],
): Promise<void> {
  const locks = targets.map(({ patient, subjectId }, at) =>
    patient === "created"
      ? identifierTokens(context, plan.subjects[at])
      : [tokenOf(context.indexes.sources, "subject", subjectId)],
  );
  await store.lockImports(tx, locks.flat());
  const keysOf = (patient: Target["patient"]) =>
    new Map(
      targets.filter((one) => one.patient === patient).map(({ subjectId, wrapped }) => [subjectId, wrapped]),
    );
  const matched = keysOf("matched");
  const held = await reachablePatientKeys(tx, actor, "patient:write", [...matched.keys()]);
  for (const [id, wrapped] of await insertSubjectKeys(tx, new Map([...keysOf("none"), ...keysOf("created")])))
    held.set(id, wrapped);
  if (!targets.every(({ subjectId, wrapped }) => held.get(subjectId)?.equals(wrapped)))
    throw new TargetChanged();
  const made = plan.subjects.filter((_, at) => targets[at]?.patient === "created");
  const tokens = made.flatMap((patient) => identifierTokens(context, patient));
  if (made.length > 0 && (await store.matchPatients(tx, context, actor, tokens)).length > 0)
    throw new TargetChanged();
}

/** By which a patient of a plan is known. */
export function identifierTokens(context: Context, patient: PlannedPatient | null | undefined): Buffer[] {
  return (patient?.patientNames ?? []).map((name) => tokenOf(context.indexes.identifiers, "patient", name));
}
