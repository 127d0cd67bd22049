import { type Actor, newId, scopeOf } from "@medvault/contracts";
import { findSubjectKeys, insertSubjectKeys, newSubjectKey } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import { reachablePatientKeys } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { type Candidate, findCandidates, tokenOfName } from "./candidate.service.ts";
import { TargetChanged } from "./fhir.errors.ts";
import * as store from "./import.store.ts";
import { decide } from "./match.ts";
import type { ImportPlan, PlannedPatient } from "./plan.ts";
import { type Target, tokenOf } from "./preparation.service.ts";
import type { SubjectToken } from "./source.store.ts";

/**
 * Whose each subject of a plan is. A patient is matched only among those whom the caller may write
 * and for whose identity somebody of the staff answers; a doubtful one gets a new chart, which
 * names those that it may belong with, if the caller may read them. One chart is one patient's of
 * the bundle: of several, whom it fits best.
 */
export async function findTargets(context: Context, actor: Actor, plan: ImportPlan): Promise<Target[]> {
  const people = plan.subjects.filter((patient) => patient !== null);
  const found = await findCandidates(context, actor, people);
  const first = people.map((patient, at) =>
    decide(patient.identity, found[at]?.charts.filter(({ isVouched }) => isVouched) ?? []),
  );
  const fitOf = (at: number): number => first[at]?.fit ?? 0;
  const targets = new Map<PlannedPatient | null, Target>();
  const taken = new Set<string>();
  for (const at of [...people.keys()].sort((a, b) => fitOf(b) - fitOf(a))) {
    const patient = people[at] as PlannedPatient;
    const { charts = [], named = new Set<string>(), isChecked = true } = found[at] ?? {};
    const free = charts.filter(({ id, isVouched }) => isVouched && !taken.has(id));
    const target = {
      ...targetOf(context, charts, decide(patient.identity, free)?.id),
      named,
      isUnchecked: !isChecked,
    };
    taken.add(target.subjectId);
    targets.set(patient, mayRead(actor) ? target : { ...target, duplicates: [], isUnchecked: false });
  }
  if (plan.subjects.includes(null)) targets.set(null, await findLoader(context, actor));
  return plan.subjects.map((subject) => targets.get(subject) as Target);
}

function targetOf(
  { keyring }: Context,
  candidates: readonly Candidate[],
  matched: string | undefined,
): Omit<Target, "named"> {
  const chart = candidates.find(({ id }) => id === matched);
  const subjectId = chart?.id ?? newId();
  const shownId = chart?.chartId ?? subjectId;
  const charts = new Set(candidates.map(({ chartId }) => chartId));
  return {
    patient: chart ? "matched" : "created",
    subjectId,
    shownId,
    wrapped: chart?.subjectKey ?? newSubjectKey(keyring, subjectId),
    duplicates: [...charts].filter((id) => id !== shownId),
  };
}

/** Whether the caller may read whom they may write: candidates are no others. */
function mayRead(actor: Actor): boolean {
  const [read, write] = [scopeOf(actor, "patient:read"), scopeOf(actor, "patient:write")];
  return read === "any" || (read !== null && read === write);
}

async function findLoader({ pool, keyring }: Context, actor: Actor): Promise<Target> {
  const known = await findSubjectKeys(pool, [actor.id]);
  const wrapped = known.get(actor.id) ?? newSubjectKey(keyring, actor.id);
  const nobody = { named: new Set<string>(), duplicates: [] };
  return { patient: "none", subjectId: actor.id, shownId: actor.id, wrapped, ...nobody };
}

/**
 * Locks the subjects against other imports, all in one order, and checks that they are still those
 * that the boxes were sealed for. Gives by what they are to be known from now on. Throws
 * TargetChanged.
 */
export async function holdTargets(
  tx: Tx,
  context: Context,
  actor: Actor,
  plan: ImportPlan,
  targets: readonly Target[],
): Promise<SubjectToken[]> {
  const known = plan.subjects.map((patient) => {
    const names = patient?.patientNames ?? [];
    const tokens = names.map((one) => ({ ...one, token: tokenOfName(context, one) }));
    return { all: tokens, own: tokens.filter(({ isFormer }) => !isFormer) };
  });
  const subjects = targets.map(({ subjectId }) => tokenOf(context.indexes.sources, "subject", subjectId));
  await store.lockImports(tx, [...subjects, ...known.flatMap(({ own }) => own.map(({ token }) => token))]);
  await holdKeys(tx, actor, targets);
  const asked = known.flatMap(({ all }) => all.map(({ token }) => token));
  const found = await store.findByNames(tx, context, actor, asked);
  return targets.flatMap(({ patient, subjectId, named }, at) => {
    const { all = [], own = [] } = known[at] ?? {};
    const idsBy = (token: Buffer) => found.get(token.toString("hex")) ?? new Set<string>();
    // Another import has made a chart meanwhile, which this one did not look at.
    const isLate = patient === "created" && all.some(({ token }) => !idsBy(token).isSubsetOf(named));
    if (isLate) throw new TargetChanged();
    const isNew = ({ token }: { token: Buffer }) => !idsBy(token).has(subjectId);
    return own.filter(isNew).map(({ token }) => ({ subjectId, token }));
  });
}

async function holdKeys(tx: Tx, actor: Actor, targets: readonly Target[]): Promise<void> {
  const isMatched = ({ patient }: Target) => patient === "matched";
  const matched = targets.filter(isMatched).map(({ subjectId }) => subjectId);
  const others = targets.filter((target) => !isMatched(target));
  const held = new Map([
    ...(await reachablePatientKeys(tx, actor, "patient:write", matched)),
    ...(await insertSubjectKeys(tx, new Map(others.map(({ subjectId, wrapped }) => [subjectId, wrapped])))),
  ]);
  if (!targets.every(({ subjectId, wrapped }) => held.get(subjectId)?.equals(wrapped))) {
    throw new TargetChanged();
  }
}
