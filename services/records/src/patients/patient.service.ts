import {
  type Actor,
  Forbidden,
  type NewPatient,
  NotFound,
  newId,
  type PatientListQuery,
  type PatientPatch,
  type PatientSearch,
  type PatientView,
  type SensitiveField,
  scopeOf,
  VersionConflict,
} from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import { createSubjectKey, type IndexQuery } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { demandStepUp } from "@medvault/service-kit";
import { addMember } from "../care-team/care-team.store.ts";
import type { Context } from "../context.ts";
import { boxDetails, done, SOURCE } from "../events.ts";
import { type Page, pageOf, positionOf } from "../paging.ts";
import { fillPage } from "../search.ts";
import { type WriteAnswer, type WriteRequest, write } from "../write.ts";
import { PurposeRequired, UserAlreadyLinked } from "./patient.errors.ts";
import * as store from "./patient.store.ts";
import { patients as table } from "./patient.table.ts";
import {
  assertMayPatch,
  changePatient,
  newPatient,
  PATIENT_FIELDS,
  type Patient,
  viewOf,
} from "./patient.ts";

export interface Shown {
  view: PatientView;
  rev: number;
}

/**
 * Makes a patient. A doctor who makes one is on the care team; a patient makes their own, and one only.
 * Throws Forbidden (somebody else's), UserAlreadyLinked.
 */
export function createPatient(
  context: Context,
  actor: Actor,
  input: NewPatient,
  request: WriteRequest,
): Promise<WriteAnswer<PatientView>> {
  const scope = scopeOf(actor, "patient:write");
  // A patient makes their own record; nobody else makes one for themselves.
  if (input.userId !== undefined && (scope === "own") !== (input.userId === actor.id)) throw new Forbidden();
  const userId = scope === "own" ? actor.id : (input.userId ?? null);
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const now = new Date();
      const patient = newPatient(newId(), input, { userId, source: null, createdBy: actor.id, now });
      const subjectKey = await createSubjectKey(tx, context.keyring, patient.id);
      const box = table.seal(context.keyring, subjectKey, patient);
      if (!(await store.insertPatient(tx, context, actor, patient, box))) throw new UserAlreadyLinked();
      if (scope === "assigned") await addMember(tx, actor, "patient:write", patient.id, actor.id, now);
      await emit(
        tx,
        SOURCE,
        done(actor, {
          noun: "patient",
          verb: "created",
          permission: "patient:write",
          subject: `patient/${patient.id}`,
          patientIds: [patient.id],
          fields: Object.keys(input),
          details: { ...boxDetails(patient.rev, table.boxHash(box.sealed)), linkedUserId: userId },
        }),
      );
      return { status: 201, body: maskedView(patient), rev: patient.rev };
    },
    (body) => readAct(body.id),
  );
}

/** One patient, masked but for the fields of `unmask`. Throws NotFound, PurposeRequired, Forbidden. */
export async function readPatient(
  context: Context,
  actor: Actor,
  id: string,
  unmask: readonly SensitiveField[],
): Promise<Shown> {
  const patient = await store.findPatient(context.pool, context, actor, "patient:read", id);
  return show(context, actor, patient, unmask);
}

/** The patient record of the caller's own account. Throws as readPatient. */
export async function readOwnPatient(
  context: Context,
  actor: Actor,
  unmask: readonly SensitiveField[],
): Promise<Shown> {
  return show(context, actor, await store.findOwnPatient(context.pool, context, actor), unmask);
}

async function show(
  context: Context,
  actor: Actor,
  patient: Patient | null,
  unmask: readonly SensitiveField[],
): Promise<Shown> {
  if (!patient) throw new NotFound();
  const events = [done(actor, readAct(patient.id))];
  if (unmask.length > 0) {
    await demandUnmasking(context, actor, patient.id);
    events.push(
      done(actor, {
        noun: "patient",
        verb: "unmasked",
        permission: "phi:unmask",
        subject: `patient/${patient.id}`,
        patientIds: [patient.id],
        fields: unmask,
      }),
    );
  }
  await context.appender.append(...events);
  return { view: viewOf(patient, table.mask(patient), unmask), rev: patient.rev };
}

/** Unmasking is a permission of its own, reaches no further than that, and wants a reason that was given for it. */
export async function demandUnmasking(context: Context, actor: Actor, patientId: string): Promise<void> {
  if (!(await store.findPatient(context.pool, context, actor, "phi:unmask", patientId)))
    throw new Forbidden();
  if (actor.purpose === null) throw new PurposeRequired();
}

/** A page of the patients whom the caller may see, changed last first. */
export async function listPatients(
  context: Context,
  actor: Actor,
  query: PatientListQuery,
): Promise<Page<PatientView>> {
  const { limit, cursor, ...filter } = query;
  const bound = ["patients", filter];
  const rows = await store.listPatients(
    context.pool,
    context,
    actor,
    filter,
    positionOf(cursor, bound),
    limit + 1,
  );
  const page = pageOf(rows, limit, bound, position);
  await announce(context, actor, "listed", "patient:read", page.items);
  return { ...page, items: page.items.map(maskedView) };
}

/**
 * A page of those who match: `q` is part of a name, the others are exact, or as the operator's policy has their index. All of
 * them combine. Where a field has no index, or not yet, every patient in reach is opened and looked at.
 */
export async function searchPatients(
  context: Context,
  actor: Actor,
  search: PatientSearch,
): Promise<Page<PatientView>> {
  const { limit, cursor, q, nationalId, birthDate, phone, email } = search;
  const wanted = { search_name: q, national_id: nationalId, birth_date: birthDate, phone, email };
  const asked = Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const isPartOfNothing = asked.some(([, part]) => normalise(part) === ""); // blanks and marks
  const tokensOf = (query: IndexQuery): store.PatientTokens => ({
    name: q === undefined ? null : query.substring("search_name", q),
    nationalId: nationalId === undefined ? null : query.exact("national_id", nationalId),
    birthDate: birthDate === undefined ? null : query.exact("birth_date", birthDate),
    added: query.added(wanted),
  });
  const page = await fillPage({
    limit,
    cursor,
    filter: ["patients/search", q, nationalId, birthDate, phone, email],
    fetch: (after, rows) =>
      context.indexes.patients.read(context.pool, async (query) => {
        if (isPartOfNothing) return { candidates: [], isFull: false };
        const tokens = tokensOf(query);
        const candidates = await store.findCandidates(context.pool, context, actor, tokens, after, rows);
        return { candidates, isFull: candidates.length === rows };
      }),
    matches: (patient) => asked.every(([field, part]) => table.matches(patient, field, part)),
    at: position,
  });
  await announce(context, actor, "searched", "patient:search", page.items);
  return { ...page, items: page.items.map(maskedView) };
}

/** Changes a patient. Throws NotFound, VersionConflict, Forbidden, StepUpRequired, UserAlreadyLinked. */
export async function updatePatient(
  context: Context,
  actor: Actor,
  id: string,
  patch: PatientPatch,
  expectedRev: number | null,
): Promise<Shown> {
  return inTransaction(context.pool, async (tx) => {
    const found = await store.findPatientForUpdate(tx, context, actor, "patient:write", id);
    if (!found) throw new NotFound();
    if (expectedRev !== null && expectedRev !== found.patient.rev) throw new VersionConflict();
    const by = { id: actor.id, scope: scopeOf(actor, "patient:write") };
    if (assertMayPatch(found.patient, patch, by).needsStepUp) demandStepUp(actor);
    const patient = changePatient(found.patient, patch, new Date());
    const box = table.seal(context.keyring, found.subjectKey, patient);
    if (!(await store.updatePatient(tx, context, actor, patient, box))) throw new VersionConflict();
    await emit(
      tx,
      SOURCE,
      done(actor, {
        noun: "patient",
        verb: "updated",
        permission: "patient:write",
        subject: `patient/${id}`,
        patientIds: [id],
        fields: Object.keys(patch),
        details: {
          ...boxDetails(patient.rev, table.boxHash(box.sealed)),
          ...(patch.userId === undefined
            ? {}
            : { linkedUserId: patient.userId, formerUserId: found.patient.userId }),
        },
      }),
    );
    return { view: maskedView(patient), rev: patient.rev };
  });
}

const maskedView = (patient: Patient): PatientView => viewOf(patient, table.mask(patient), []);
const position = (patient: Patient) => ({ at: patient.updatedAt.toISOString(), id: patient.id });

function readAct(id: string) {
  return {
    noun: "patient",
    verb: "read",
    permission: "patient:read",
    subject: `patient/${id}`,
    patientIds: [id],
    fields: PATIENT_FIELDS,
  } as const;
}

/** One event that names every patient of the page; never what was searched for. */
function announce(
  context: Context,
  actor: Actor,
  verb: "listed" | "searched",
  permission: "patient:read" | "patient:search",
  items: readonly Patient[],
): Promise<void> {
  return context.appender.append(
    done(actor, {
      noun: "patient",
      verb,
      permission,
      subject: "patients",
      patientIds: items.map((patient) => patient.id),
      fields: PATIENT_FIELDS,
      details: { count: items.length },
    }),
  );
}
