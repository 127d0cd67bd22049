import {
  type Actor,
  Forbidden,
  NotFound,
  type PatientChart,
  scopeOf,
  VersionConflict,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { intact } from "../resources/intact-row.service.ts";
import { nextRevision } from "../resources/patient-owned.ts";
import { about, notFound } from "../resources/refusal.service.ts";
import { done, readAct, SOURCE } from "../resources/resource.events.ts";
import { changeLocked } from "../resources/resource.service.ts";
import { find, type Locked } from "../resources/resource.store.ts";
import { write } from "../resources/write.service.ts";
import * as store from "./merge.store.ts";
import { assertMayMerge, partingOf } from "./merged-chart.ts";
import { ErasureRequested } from "./patient.errors.ts";
import { chartView } from "./patient.service.ts";
import { patients } from "./patient.table.ts";
import type { Patient } from "./patient.ts";

const permission = "patient:write";

/**
 * Makes two charts of one person one, under the patient whom `id` leads to. For those who may write
 * both, and never for a patient. Nothing is moved: every row stays as it was sealed and signed, but
 * for the revision of the surviving patient.
 * Throws NotFound, Forbidden, RowDamaged, ErasureRequested, VersionConflict, AlreadyMerged,
 * MergedElsewhere, AccountsConflict.
 */
export function mergePatients(
  context: Context,
  actor: Actor,
  id: string,
  from: string,
  seen: number | null,
  request: WriteRequest,
): Promise<Answer<PatientChart>> {
  return inTurn(context, actor, request, async (tx) => {
    const into = await hold(tx, context, actor, id);
    const other = await hold(tx, context, actor, from);
    await requireNoErasure(tx, actor, [into.value.id, other.value.id]);
    requireSeen(into.value, seen);
    refusing(into.value, () => assertMayMerge(into.value, other.value, from));
    await store.insertMerge(tx, actor, other.value.id, into.value.id);
    await renumber(tx, context, actor, [into], [into, other]);
    await announceMerge(tx, actor, "merged", into.value.id, other.value.id);
    return into.value.id;
  });
}

/**
 * Makes a merged chart one of its own again, as it was; what was written since the merge stays with
 * the surviving one. `id` is the merged one's, or the surviving one's with `from`. Throws NotFound,
 * Forbidden, RowDamaged, ErasureRequested, VersionConflict, NotMerged, InvalidInput.
 */
export function unmergePatients(
  context: Context,
  actor: Actor,
  id: string,
  from: string | undefined,
  seen: number | null,
  request: WriteRequest,
): Promise<Answer<PatientChart>> {
  return inTurn(context, actor, request, async (tx) => {
    const found = await hold(tx, context, actor, id, "itself");
    await requireNoErasure(tx, actor, [found.value.id]);
    requireSeen(found.value, seen);
    const parting = refusing(found.value, () => partingOf(found.value, id, from));
    const parted = await store.holdPatient(tx, context, actor, parting.from, "itself");
    const both = found.value.id !== parting.from && parted ? [found, parted] : [found];
    await renumber(tx, context, actor, both, both);
    await store.deleteMerge(tx, actor, parting.from, parting.into);
    await announceMerge(tx, actor, "unmerged", parting.into, parting.from);
    // Who reached both by the team of one sees that one.
    const isReached = (await find(tx, context, actor, permission, patients, id)) !== null;
    return isReached ? id : id === parting.from ? parting.into : parting.from;
  });
}

/**
 * Runs a merge or its undoing, one at a time and once per Idempotency-Key; shows the patient whom
 * it names.
 */
function inTurn(
  context: Context,
  actor: Actor,
  request: WriteRequest,
  work: (tx: Tx) => Promise<string>,
): Promise<Answer<PatientChart>> {
  if (scopeOf(actor, permission) === "own") throw new Forbidden();
  return write(
    context,
    actor,
    request,
    async (tx) => {
      await store.takeTurns(tx);
      const patient = await find(tx, context, actor, permission, patients, await work(tx));
      if (!patient) throw new NotFound();
      const shown = await intact(context, actor, patients, patient);
      return { status: 200, body: chartView(shown), rev: shown.rev };
    },
    (shown) => readAct(patients, shown.id, shown.id),
  );
}

/** Whom an id leads to; else, if the surviving patient was shredded, the one whose id it is. */
async function hold(
  tx: Tx,
  context: Context,
  actor: Actor,
  id: string,
  orElse?: "itself",
): Promise<{ value: Patient; subjectKey: Buffer }> {
  const surviving = await store.holdPatient(tx, context, actor, id);
  const found = surviving ?? (orElse ? await store.holdPatient(tx, context, actor, id, orElse) : null);
  if (!found) throw await notFound(tx, actor, permission, patients, id);
  return { ...found, value: await intact(context, actor, patients, found.value) };
}

/**
 * Takes patients to a revision above that of each whose id led to them, or leads to them from now
 * on: anyone who read one by that id has no ETag that fits what it leads to now. One that is
 * damaged is neither read nor changed, and stays.
 */
async function renumber(
  tx: Tx,
  context: Context,
  actor: Actor,
  changed: readonly Locked<Patient>[],
  members: readonly Locked<Patient>[],
): Promise<void> {
  const rev = Math.max(...members.map(({ value }) => value.rev)) + 1;
  for (const { value, subjectKey } of changed) {
    if (isDamaged(value)) continue;
    const act = { verb: "updated", fields: [] } as const;
    await changeLocked(tx, context, actor, patients, { value, subjectKey }, act, (found) => ({
      ...nextRevision(found, {}),
      rev,
    }));
  }
}

/** While its erasure waits a chart stays what it is: what is approved is what was asked for. */
async function requireNoErasure(tx: Tx, actor: Actor, ids: [string, ...string[]]): Promise<void> {
  if (await store.isErasureRequested(tx, actor, ids)) throw about(new ErasureRequested(), ids[0]);
}

function requireSeen({ id, rev }: Patient, seen: number | null): void {
  if (seen !== null && seen !== rev) throw about(new VersionConflict(), id);
}

/** What the rule says; its refusal names the patient for the log. */
function refusing<T>({ id }: Patient, rule: () => T): T {
  try {
    return rule();
  } catch (error) {
    throw about(error, id);
  }
}

async function announceMerge(
  tx: Tx,
  actor: Actor,
  verb: "merged" | "unmerged",
  into: string,
  from: string,
): Promise<void> {
  const subject = `patient/${into}`;
  const patientIds = [into, from];
  await emit(
    tx,
    SOURCE,
    done(actor, { noun: patients.noun, verb, permission, subject, patientIds, details: { mergedId: from } }),
  );
}
