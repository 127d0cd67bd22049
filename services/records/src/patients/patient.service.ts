import {
  type Actor,
  type DamagedRow,
  Forbidden,
  type MadePatientView,
  type NewPatient,
  NotFound,
  newId,
  type PatientChart,
  type PatientListQuery,
  type PatientPatch,
  type PatientView,
  type SensitiveField,
  scopeOf,
} from "@medvault/contracts";
import { createSubjectKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import { type Answer, assertStepUp, type WriteRequest } from "@medvault/service-kit";
import pg from "pg";
import { PartClosed } from "../access/access.errors.ts";
import { hasClosedParts } from "../access/access.store.ts";
import type { Caller } from "../access/auth.client.ts";
import { BASIS } from "../access/basis.ts";
import { requireAccount } from "../access/standing.service.ts";
import { addMember } from "../care-team/care-team.store.ts";
import type { Context } from "../context.ts";
import { isPlaceholder } from "../fhir/identifier.ts";
import { CHART, shownUnder } from "../resources/chart.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import { intact } from "../resources/intact-row.service.ts";
import { type Page, pageOf, positionIn, positionOf } from "../resources/paging.ts";
import { about } from "../resources/refusal.service.ts";
import { type Act, done, readAct, readActOf, SOURCE, wrote } from "../resources/resource.events.ts";
import { announce, type Change, change } from "../resources/resource.service.ts";
import { find, insert } from "../resources/resource.store.ts";
import { contentOf } from "../resources/resource.ts";
import { write } from "../resources/write.service.ts";
import { findNamesakes, type Namesakes } from "./namesake.service.ts";
import { areNamesakes, type Called } from "./namesake.ts";
import { AccountsConflict, PurposeRequired, UserAlreadyLinked } from "./patient.errors.ts";
import * as store from "./patient.store.ts";
import { patients } from "./patient.table.ts";
import { assertMayPatch, changePatient, newPatient, type Patient } from "./patient.ts";

/**
 * Makes a patient. A doctor who makes one is on the care team; a patient makes their own, and one
 * only. Throws Forbidden (another's), InvalidInput (nobody's account), UserAlreadyLinked,
 * Unavailable.
 */
export async function createPatient(
  context: Context,
  actor: Caller,
  input: NewPatient,
  request: WriteRequest,
): Promise<Answer<MadePatientView>> {
  const permission = "patient:write";
  const scope = scopeOf(actor, permission);
  // A patient makes their own record; nobody else makes one for themselves.
  if (input.userId !== undefined && (scope === "own") !== (input.userId === actor.id)) throw new Forbidden();
  const userId = scope === "own" ? actor.id : (input.userId ?? null);
  if (userId !== null) await requireAccount(context, actor, userId);
  const named = { ...input, givenName: input.givenName ?? "", familyName: input.familyName ?? "" };
  // Before the transaction, which would hold a connection while the index is asked.
  const namesakes = await namesakesOf(context, actor, { ...named, birthDate: input.birthDate ?? null });
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const createdAt = new Date();
      const origin = { userId, source: null, createdBy: actor.id, createdAt };
      const patient = newPatient(newId(), contentOf(patients, named), origin);
      const subjectKey = await createSubjectKey(tx, context.keyring, patient.id);
      const box = patients.table.seal(context.keyring, subjectKey, patient);
      if ((await insert(tx, context, actor, permission, patients, [patient], [box])) === 0) {
        throw new UserAlreadyLinked();
      }
      if (scope === "assigned") await addMember(tx, actor, permission, [patient.id], actor.id, createdAt);
      const possibleDuplicates = await duplicatesOf(tx, context, actor, patient, namesakes.ids);
      const fields = Object.keys(input);
      const details = { linkedUserId: userId, possibleDuplicates: possibleDuplicates.length };
      const act = { verb: "created", permission, fields, details } as const;
      await emit(tx, SOURCE, wrote(actor, patients, act, patient, box.sealed));
      const told = { possibleDuplicates, ...(!namesakes.isChecked && { duplicatesChecked: false as const }) };
      return { status: 201, body: { ...patients.view(patient), ...told }, rev: patient.rev };
    },
    ({ id }) => readAct(patients, id, id),
  );
}

/** Charts that may be those of someone who is about to be made. */
function namesakesOf(context: Context, actor: Actor, patient: Called): Promise<Namesakes> {
  const isTold = (scopeOf(actor, "patient:read") ?? "own") !== "own";
  return findNamesakes(context, actor, "patient:read", isTold ? [patient] : []);
}

/**
 * Whom somebody who was just made may be already, among the patients whom the caller may read: of
 * the same national id, or of the same name, birth date and sex. Someone who registers themselves
 * is told of nobody.
 */
async function duplicatesOf(
  tx: Tx,
  context: Context,
  actor: Actor,
  patient: Patient,
  [namesakes]: readonly string[][],
): Promise<string[]> {
  if (namesakes === undefined) return [];
  const { held } = context.indexes.of(patients.table);
  const nationalId =
    patient.nationalId === null || isPlaceholder(patient.nationalId) ? null : patient.nationalId;
  const sought = { nationalIds: nationalId === null ? [] : [nationalId], namesakes };
  const [found = []] = await store.findAlike(tx, context, actor, "patient:read", held, [sought]);
  const isAlike = (other: Patient): boolean =>
    areNamesakes(other, patient) ||
    (nationalId !== null && patients.table.matches(other, "national_id", nationalId));
  const alike = found.flatMap(({ patient: other }) =>
    !isDamaged(other) && other.id !== patient.id && isAlike(other) ? [shownUnder(other, other.id)] : [],
  );
  return [...new Set(alike)];
}

/**
 * One patient, masked but for the fields of `unmask`. Throws NotFound, PurposeRequired, Forbidden.
 */
export async function readPatient(
  context: Context,
  actor: Actor,
  id: string,
  unmask: readonly SensitiveField[] = [],
): Promise<Answer<PatientChart>> {
  const patient = await find(context.pool, context, actor, "patient:read", patients, id);
  return show(context, actor, patient, unmask);
}

/** The patient record of the caller's own account. Throws as readPatient. */
export async function readOwnPatient(
  context: Context,
  actor: Actor,
  unmask: readonly SensitiveField[] = [],
): Promise<Answer<PatientChart>> {
  return show(context, actor, await store.findOwnPatient(context.pool, context, actor), unmask);
}

async function show(
  context: Context,
  actor: Actor,
  found: Found<Patient> | null,
  unmask: readonly SensitiveField[] = [],
): Promise<Answer<PatientChart>> {
  if (!found) throw new NotFound();
  const patient = await intact(context, actor, patients, found);
  const unmasked = await unmaskAct(context, actor, patient.id, unmask);
  const acts = [readActOf(patients, patient), ...unmasked];
  await context.appender.append(...acts.map((act) => done(actor, act)));
  return { body: chartView(patient, unmask), rev: patient.rev };
}

/** The patient as an answer shows it, and who was merged into it. */
export function chartView(patient: Patient, unmask: readonly SensitiveField[] = []): PatientChart {
  const mergedFrom = patient[CHART]?.mergedFrom;
  return { ...patients.view(patient, unmask), ...(mergedFrom && { mergedFrom: [...mergedFrom] }) };
}

/**
 * That fields were unmasked, if any were to be: a permission of its own, which reaches no further
 * than that, and needs a reason that was given for it. Throws Forbidden, PurposeRequired.
 */
export async function unmaskAct(
  context: Context,
  actor: Actor,
  id: string,
  unmask: readonly SensitiveField[],
): Promise<Act[]> {
  if (unmask.length === 0) return [];
  const permission = "phi:unmask";
  const found = await find(context.pool, context, actor, permission, patients, id);
  if (!found) throw new Forbidden();
  if (actor.purpose === null) throw new PurposeRequired();
  const act = { ...readAct(patients, id, id), basis: found[BASIS] };
  return [{ ...act, verb: "unmasked", permission, fields: unmask }];
}

/** A page of the patients whom the caller may see, changed last first. */
export async function listPatients(
  context: Context,
  actor: Actor,
  query: PatientListQuery,
): Promise<Answer<Page<PatientView | DamagedRow>>> {
  const { limit, cursor, ...filter } = query;
  const bound = ["patients", filter];
  const after = positionOf(cursor, bound);
  const rows = await store.listPatients(context.reader, context, actor, filter, after, limit + 1);
  const page = pageOf(rows, limit, bound, positionIn(patients));
  await announce(context, actor, patients, "listed", page.items);
  return { body: { ...page, items: page.items.map((patient) => patients.listed(patient)) } };
}

/**
 * Changes a patient. Throws NotFound, VersionConflict, Forbidden, StepUpRequired, InvalidInput
 * (nobody's account), UserAlreadyLinked, AccountsConflict, Unavailable.
 */
export async function updatePatient(
  context: Context,
  actor: Caller,
  id: string,
  patch: PatientPatch,
  expectedRev: number | null,
): Promise<Answer<PatientView>> {
  if (patch.userId) await requireAccount(context, actor, patch.userId);
  const act: Change<Patient> = {
    verb: "updated",
    fields: Object.keys(patch),
    details: (next, former) =>
      patch.userId === undefined ? {} : { linkedUserId: next.userId, formerUserId: former.userId },
  };
  const by = { id: actor.id, scope: scopeOf(actor, "patient:write") };
  const next = (found: Patient) => {
    if (assertMayPatch(found, patch, by).needsStepUp) assertStepUp(actor);
    return changePatient(found, patch, new Date());
  };
  try {
    const patient = await inTransaction(context.pool, async (tx) => {
      const changed = await change(tx, context, actor, patients, id, expectedRev, act, next);
      if (patch.userId !== undefined) {
        // Who has a part closed to them would read it by the account that they link.
        if (await hasClosedParts(tx, actor, "patient:write", [changed.id]))
          throw about(new PartClosed(), changed.id);
        if (await store.isLinkedByMerge(tx, actor, changed)) throw about(new AccountsConflict(), changed.id);
        await store.noteLink(tx, actor, changed);
      }
      return changed;
    });
    return { body: patients.view(patient), rev: patient.rev };
  } catch (error) {
    throw isSecondOfUser(error) ? new UserAlreadyLinked() : error;
  }
}

function isSecondOfUser(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.constraint === "patients_one_per_user";
}
