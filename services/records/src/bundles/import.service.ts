import { type Actor, type FhirImportView, Unavailable } from "@medvault/contracts";
import { isKeyOutdated } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { PartClosed } from "../access/access.errors.ts";
import { hasClosedParts } from "../access/access.store.ts";
import { addMember } from "../care-team/care-team.store.ts";
import type { Context } from "../context.ts";
import { clinicianKey } from "../medical-records/record.service.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import type { MedicalRecord } from "../medical-records/record.ts";
import { patients } from "../patients/patient.table.ts";
import { done as doneEvent, SOURCE } from "../resources/resource.events.ts";
import { insert, noteHidden, updateAll } from "../resources/resource.store.ts";
import { write } from "../resources/write.service.ts";
import { keepManifest } from "../row-check/manifest.store.ts";
import { answerOf, type Outcome, type Result } from "./answer.ts";
import { inBatches } from "./batch.ts";
import { type Bundle, parseBundle } from "./bundle.ts";
import { chartsOf, chartTargets } from "./chart-subject.service.ts";
import { deleteAll } from "./deletion.service.ts";
import { refusalOf, TargetChanged } from "./fhir.errors.ts";
import * as store from "./import.store.ts";
import { detailsOf, type ImportCounts, importAct, outcomesOf, viewOf } from "./import-view.ts";
import { planImport } from "./plan.ts";
import {
  inOrder,
  isSameNames,
  type Load,
  leftBy,
  loadOf,
  namesNow,
  prepareImport,
  type ReadyImport,
} from "./preparation.service.ts";
import { findHeads, lockRows, removeKept } from "./present.store.ts";
import { referencesOf } from "./reference.ts";
import { keepNames, moveNames, type SubjectToken } from "./source.store.ts";
import { findTargets, holdTargets } from "./target.service.ts";

const MAX_ATTEMPTS = 5;

/** What a bundle left, short enough to be kept with an Idempotency-Key. */
interface Kept {
  counts: ImportCounts;
  outcomes: Outcome[];
}

/**
 * Stores a FHIR R4 bundle, whole or not at all, but for entries of a batch, which stand alone. What
 * is known already is not stored again; what says something else is a new version of the row that
 * shows it. Its patients are matched only among those whom the caller may write; otherwise new ones
 * are made, whether or not others have them. Throws InvalidInput (with paths), and what
 * `refusalOf` makes of a transaction.
 */
export async function importBundle(
  context: Context,
  actor: Actor,
  body: unknown,
  request: WriteRequest,
): Promise<Answer<FhirImportView>> {
  const bundle = parseBundle(body);
  const references = referencesOf(bundle);
  const plan = await planImport(bundle, references, await chartsOf(context, actor, bundle, references));
  const key = await clinicianKey(context, actor);
  for (let attempt = 1; ; attempt++) {
    const targets = [
      ...(await findTargets(context, actor, plan)),
      ...(await chartTargets(context, actor, plan.charts)),
    ];
    // Whatever it brings: an answer by what is closed would tell what that is.
    const ids = targets.filter(({ patient }) => patient === "matched").map(({ subjectId }) => subjectId);
    if (await hasClosedParts(context.pool, actor, "fhir:import", ids)) throw new PartClosed();
    try {
      const load = await loadOf({ context, actor, plan, targets, key }, context.pool);
      const names = await namesNow(context.pool, load);
      const ready = await prepareImport(context.pool, load, names, new Date());
      const answer = await write<Kept>(
        context,
        actor,
        request,
        (tx) => storeImport(tx, load, bundle, ready),
        ({ counts }) => importAct(counts),
      );
      const { counts, outcomes } = answer.body as Kept;
      return { ...answer, body: { ...counts, ...answerOf(bundle.isTransaction, outcomes) } };
    } catch (error) {
      if (!(error instanceof TargetChanged || isKeyOutdated(error))) throw error;
      // Another import made a patient, a row was changed here, access to one ended, or a key was
      // wrapped again, while this one was sealing.
      if (attempt === MAX_ATTEMPTS) throw new Unavailable();
    }
  }
}

async function storeImport(
  tx: Tx,
  load: Load,
  bundle: Bundle,
  sealed: ReadyImport,
): Promise<{ status: number; body: Kept }> {
  const { context, actor, plan, targets } = load;
  const identifiers = await holdTargets(tx, context, actor, plan, targets);
  // Read again under the locks: what was stored or changed meanwhile is decided again.
  const names = await namesNow(tx, load);
  const isStill = isSameNames(names, sealed.seen) && (await isUnchanged(tx, actor, sealed));
  const ready = isStill ? sealed : await prepareImport(tx, load, names, new Date());
  const refused = outcomesOf(bundle, ready.done, new Map(), new Map());
  if (bundle.isTransaction) for (const [at, outcome] of refused.entries()) refuseFault(at, outcome);
  await storeRows(tx, load, ready);
  await store.insertIdentifiers(tx, context, actor, told(load, ready, identifiers));
  const deleted = await deleteAll(tx, context, actor, bundle, targets);
  const shown = ready.done.flatMap(({ rowId }) => (rowId === null ? [] : [rowId]));
  const heads = await findHeads(tx, actor, shown);
  const outcomes = outcomesOf(bundle, ready.done, heads, deleted);
  const counts = viewOf(bundle.total, targets, ready.done, outcomes);
  const left = leftBy(ready);
  const details = detailsOf(counts, left.length, await keepManifest(tx, left));
  await emit(tx, SOURCE, doneEvent(actor, { ...importAct(counts), details }));
  return { status: 200, body: { counts, outcomes } };
}

/** Whether the rows of which these are the next revisions are as they were. */
async function isUnchanged(tx: Tx, actor: Actor, { updates }: ReadyImport): Promise<boolean> {
  let isSame = true;
  for (const [table, rows] of inOrder(updates)) {
    const values = rows.map(({ value }) => value);
    isSame = (await lockRows(tx, actor, table, values)) && isSame;
  }
  return isSame;
}

/** Throws what refuses a transaction whole. */
function refuseFault(index: number, outcome: Outcome): void {
  const refusal = refusalOf(index, outcome);
  if (refusal) throw refusal;
}

async function storeRows(tx: Tx, load: Load, ready: ReadyImport): Promise<void> {
  const { context, actor } = load;
  for (const [table, rows] of inOrder(ready.inserts)) {
    const permission = table.noun === patients.noun ? "patient:write" : "fhir:import";
    await inBatches(rows, async (batch) => {
      const [values, boxes] = [batch.map(({ value }) => value), batch.map(({ box }) => box)];
      const count = await insert(tx, context, actor, permission, table, values, boxes);
      if (count < batch.length) throw new TargetChanged();
    });
    if (table.noun === patients.noun)
      await greet(
        tx,
        load,
        rows.map(({ value }) => value.id),
      );
  }
  for (const [table, rows] of inOrder(ready.updates)) {
    await inBatches(rows, async (batch) => {
      const [values, boxes] = [batch.map(({ value }) => value), batch.map(({ box }) => box)];
      if (!(await updateAll(tx, context, actor, "fhir:import", table, values, boxes)))
        throw new TargetChanged();
    });
  }
  const hidden = (ready.updates.get(medicalRecords as never) ?? []).filter(
    ({ value }) => (value as MedicalRecord).hiddenAt !== null,
  );
  await noteHidden(
    tx,
    actor,
    "fhir:import",
    medicalRecords,
    hidden.map(({ value }) => value),
  );
  await removeKept(tx, actor, ready.removed);
  await moveNames(tx, actor, ready.moves);
  await keepNames(tx, context, actor, [], ready.changed);
  await inBatches(ready.names, (batch) => keepNames(tx, context, actor, batch, []));
}

/** Who makes patients is on their care teams. */
async function greet(tx: Tx, { actor }: Load, made: readonly string[]): Promise<void> {
  await addMember(tx, actor, "patient:write", made, actor.id, new Date());
}

/** By what those are known of whom something was said that is not older than what is there. */
function told({ targets }: Load, { done }: ReadyImport, tokens: readonly SubjectToken[]): SubjectToken[] {
  const ids = new Set(
    done
      .filter(({ item, result }) => item.table?.noun === patients.noun && TOLD.has(result))
      .map(({ item }) => targets[item.known.subject]?.subjectId),
  );
  return tokens.filter(({ subjectId }) => ids.has(subjectId));
}

const TOLD: ReadonlySet<Result> = new Set(["created", "updated", "existing"]);
