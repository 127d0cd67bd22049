import {
  type Actor,
  InvalidInput,
  type NewPrescription,
  NotFound,
  newId,
  type PrescriptionListQuery,
  type PrescriptionSearch,
  type PrescriptionView,
  type ReplacePrescription,
  VersionConflict,
} from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { reachablePatientKey, reaches } from "../access/access.store.ts";
import type { Context } from "../context.ts";
import { type Act, boxDetails, done, SOURCE } from "../events.ts";
import { type Page, pageOf, positionOf } from "../paging.ts";
import { patients } from "../patients/patient.table.ts";
import { fillPage } from "../search.ts";
import { type WriteAnswer, type WriteRequest, write } from "../write.ts";
import * as store from "./prescription.store.ts";
import { prescriptions as table } from "./prescription.table.ts";
import { contentOf, PRESCRIPTION_FIELDS, type Prescription, replaceContent, viewOf } from "./prescription.ts";
import { findCandidates } from "./prescription-search.store.ts";

export interface Shown {
  view: PrescriptionView;
  rev: number;
}

/** Prescribes for a patient. Throws NotFound. */
export function prescribe(
  context: Context,
  actor: Actor,
  input: NewPrescription,
  request: WriteRequest,
): Promise<WriteAnswer<PrescriptionView>> {
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const subjectKey = await reachablePatientKey(tx, actor, "prescription:write", input.patientId);
      if (!subjectKey) throw new NotFound();
      const now = new Date();
      const prescription: Prescription = {
        ...contentOf(input),
        id: newId(),
        rev: 1,
        patientId: input.patientId,
        prescribedBy: actor.id,
        createdAt: now,
        updatedAt: now,
        source: null,
      };
      const box = table.seal(context.keyring, subjectKey, prescription);
      await store.insertPrescriptions(tx, context, actor, "prescription:write", [prescription], [box]);
      await emit(tx, SOURCE, wrote(actor, "created", prescription, box.sealed));
      return { status: 201, body: viewOf(prescription), rev: prescription.rev };
    },
    readAct,
  );
}

/** One prescription. Throws NotFound. */
export async function readPrescription(context: Context, actor: Actor, id: string): Promise<Shown> {
  const prescription = await store.findPrescription(context.pool, context, actor, "prescription:read", id);
  if (!prescription) throw new NotFound();
  const view = viewOf(prescription);
  await context.appender.append(done(actor, readAct(view)));
  return { view, rev: prescription.rev };
}

/** A page of what the caller may see, latest start first. Throws NotFound for a patient whom they may not know of. */
export async function listPrescriptions(
  context: Context,
  actor: Actor,
  query: PrescriptionListQuery,
): Promise<Page<PrescriptionView>> {
  const { limit, cursor, ...filter } = query;
  await demandPatient(context, actor, "prescription:read", filter.patientId);
  const bound = ["prescriptions", filter];
  const after = positionOf(cursor, bound);
  const rows = await store.listPrescriptions(context.pool, context, actor, filter, after, limit + 1);
  const page = pageOf(rows, limit, bound, position);
  await announce(context, actor, "listed", "prescription:read", page.items);
  return { ...page, items: page.items.map(viewOf) };
}

/** A page of those whose medication or whose patient's name holds `q`. Throws as listPrescriptions. */
export async function searchPrescriptions(
  context: Context,
  actor: Actor,
  search: PrescriptionSearch,
): Promise<Page<PrescriptionView>> {
  const { limit, cursor, q, ...filter } = search;
  await demandPatient(context, actor, "prescription:search", filter.patientId);
  const { indexes, pool } = context;
  const page = await fillPage({
    limit,
    cursor,
    filter: ["prescriptions/search", q, filter],
    fetch: (after, rows) =>
      indexes.prescriptions.read(pool, (ours) =>
        indexes.patients.read(pool, async (theirs) => {
          if (normalise(q) === "") return { candidates: [], isFull: false }; // blanks and marks: part of nothing
          const tokens = {
            medication: ours.substring("medication", q),
            medicationAdded: ours.added({ medication: q }),
            name: theirs.substring("search_name", q),
            nameAdded: theirs.added({ search_name: q }),
          };
          return findCandidates(pool, context, actor, tokens, filter, after, rows);
        }),
      ),
    matches: ({ prescription, patientRow }) =>
      table.matches(prescription, "medication", q) ||
      patients.matches(patients.open(context.keyring, patientRow), "search_name", q),
    at: ({ prescription }) => position(prescription),
  });
  const items = page.items.map(({ prescription }) => prescription);
  await announce(context, actor, "searched", "prescription:search", items);
  return { ...page, items: items.map(viewOf) };
}

/** Replaces a prescription's content. Throws NotFound, VersionConflict, InvalidInput (another patient's id). */
export function replacePrescription(
  context: Context,
  actor: Actor,
  id: string,
  input: ReplacePrescription,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<WriteAnswer<PrescriptionView>> {
  return write(
    context,
    actor,
    request,
    async (tx) => {
      const found = await store.findPrescriptionForUpdate(tx, context, actor, "prescription:write", id);
      if (!found) throw new NotFound();
      if (expectedRev !== null && expectedRev !== found.prescription.rev) throw new VersionConflict();
      if (input.patientId !== undefined && input.patientId !== found.prescription.patientId) {
        throw new InvalidInput(undefined, [{ path: "patientId", message: "cannot be changed" }]);
      }
      const prescription = replaceContent(found.prescription, input, new Date());
      const box = table.seal(context.keyring, found.subjectKey, prescription);
      if (!(await store.updatePrescription(tx, context, actor, prescription, box)))
        throw new VersionConflict();
      await emit(tx, SOURCE, wrote(actor, "updated", prescription, box.sealed));
      return { status: 200, body: viewOf(prescription), rev: prescription.rev };
    },
    readAct,
  );
}

/** Deletes a prescription for good. Throws NotFound, VersionConflict. */
export function removePrescription(
  context: Context,
  actor: Actor,
  id: string,
  expectedRev: number | null,
): Promise<void> {
  return inTransaction(context.pool, async (tx) => {
    const found = await store.findPrescriptionForUpdate(tx, context, actor, "prescription:delete", id);
    if (!found) throw new NotFound();
    const { rev } = found.prescription;
    if (expectedRev !== null && expectedRev !== rev) throw new VersionConflict();
    if (!(await store.deletePrescription(tx, actor, id, rev))) throw new VersionConflict();
    const act = readAct(viewOf(found.prescription));
    await emit(
      tx,
      SOURCE,
      done(actor, {
        ...act,
        verb: "deleted",
        permission: "prescription:delete",
        fields: [],
        details: { rev },
      }),
    );
  });
}

async function demandPatient(
  context: Context,
  actor: Actor,
  permission: "prescription:read" | "prescription:search",
  patientId: string | undefined,
): Promise<void> {
  if (patientId === undefined) return;
  if (!(await reaches(context.pool, actor, permission, patientId, null))) throw new NotFound();
}

const position = (prescription: Prescription) => ({ at: prescription.startDate, id: prescription.id });

function wrote(actor: Actor, verb: "created" | "updated", prescription: Prescription, sealed: Buffer) {
  return done(actor, {
    ...readAct(viewOf(prescription)),
    verb,
    permission: "prescription:write",
    details: boxDetails(prescription.rev, table.boxHash(sealed)),
  });
}

function readAct(view: PrescriptionView): Act {
  return {
    noun: "prescription",
    verb: "read",
    permission: "prescription:read",
    subject: `prescription/${view.id}`,
    patientIds: [view.patientId],
    fields: PRESCRIPTION_FIELDS,
  };
}

/** One event that names every patient of the page; never what was searched for. */
function announce(
  context: Context,
  actor: Actor,
  verb: "listed" | "searched",
  permission: "prescription:read" | "prescription:search",
  items: readonly Prescription[],
): Promise<void> {
  return context.appender.append(
    done(actor, {
      noun: "prescription",
      verb,
      permission,
      subject: "prescriptions",
      patientIds: items.map((item) => item.patientId),
      fields: PRESCRIPTION_FIELDS,
      details: { count: items.length },
    }),
  );
}
