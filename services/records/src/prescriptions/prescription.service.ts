import type {
  Actor,
  DamagedRow,
  NewPrescription,
  PrescriptionSearch,
  PrescriptionView,
  ReplacePrescription,
} from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import { holdsWords, searchWords } from "@medvault/search";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import { requirePatient } from "../access/chart.service.ts";
import type { Context } from "../context.ts";
import { codedFrom } from "../fhir/coding.ts";
import { addedNameTokens, NO_NAME, nameTokens } from "../patients/name-tokens.ts";
import { patients } from "../patients/patient.table.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { fillPage } from "../resources/page-filling.ts";
import { type Page, positionIn } from "../resources/paging.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { announce, create, replace } from "../resources/resource.service.ts";
import { contentOf } from "../resources/resource.ts";
import { prescriptions } from "./prescription.table.ts";
import { isDated, lasting, type Prescription } from "./prescription.ts";
import { findCandidates } from "./prescription-search.store.ts";

/** Prescribes for a patient. Throws NotFound. */
export function prescribe(
  context: Context,
  actor: Actor,
  input: NewPrescription,
  request: WriteRequest,
): Promise<Answer<PrescriptionView>> {
  const make = (made: PatientOwned) => ({
    ...made,
    ...contentFrom(input, made.createdAt.toISOString()),
    prescribedBy: actor.id,
    createdBy: actor.id,
    updatedBy: actor.id,
  });
  return create(context, actor, prescriptions, input.patientId, make, request);
}

/** Replaces what is prescribed. A code that is left out stays. Throws as replace does. */
export function represcribe(
  context: Context,
  actor: Actor,
  id: string,
  input: ReplacePrescription,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<Answer<PrescriptionView>> {
  const content = (found: Prescription) => {
    // What had no start keeps its place in lists.
    const made = contentFrom(input, isDated(found) ? found.createdAt.toISOString() : found.startDate, found);
    // Who says nothing of codes, and names the same medication, takes none away.
    const isUnsaid = input.code === undefined && input.medication === found.medication;
    const { code, codeSystem, codeDisplay } = isUnsaid ? found : made;
    return { ...made, code, codeSystem, codeDisplay };
  };
  return replace(context, actor, prescriptions, id, input.patientId, content, expectedRev, request);
}

function contentFrom(
  { startDate, endDate, code, ...input }: ReplacePrescription,
  knownAt: string,
  found?: Prescription,
) {
  const content = contentOf(prescriptions, input);
  return { ...content, ...codedFrom(code, found), ...lasting(startDate, endDate, knownAt) };
}

/**
 * A page of those whose medication, code or its display, or whose patient's name holds `q`. Throws
 * NotFound.
 */
export async function searchPrescriptions(
  context: Context,
  actor: Actor,
  search: PrescriptionSearch,
): Promise<Answer<Page<PrescriptionView | DamagedRow>>> {
  const { limit, cursor, q, ...filter } = search;
  const chart = await requirePatient(context, actor, "prescription:search", filter.patientId);
  const { indexes, keyring, pool } = context;
  const position = positionIn(prescriptions);
  const words = searchWords(q);
  const isRange = filter.from !== undefined || filter.to !== undefined;
  const page = await fillPage({
    limit,
    cursor,
    filter: ["prescriptions/search", q, filter],
    fetch: (after, rows) =>
      indexes.of(prescriptions.table).read(pool, (ours) =>
        indexes.of(patients.table).read(pool, async (theirs) => {
          if (normalise(q) === "") return { candidates: [], isFull: false }; // blanks and marks: part of nothing
          const tokens = {
            medication: ours.substring("medication", q),
            medicationAdded: ours.added({ medication: q }),
            name: words.length === 0 ? NO_NAME : nameTokens(theirs, words),
            nameAdded: addedNameTokens(theirs, words),
          };
          return findCandidates(pool, context, actor, tokens, chart, filter, after, rows);
        }),
      ),
    matches: ({ prescription, patientRow, mates }) => {
      // What is damaged may match, as far as its tokens say.
      if (isDamaged(prescription)) return true;
      if (isRange && !isDated(prescription)) return false;
      if (prescriptions.table.matches(prescription, "medication", q)) return true;
      return [patients.open(keyring, patientRow), ...mates].some(
        (patient) => !isDamaged(patient) && holdsWords([patient.searchName], words),
      );
    },
    at: ({ prescription }) => position(prescription),
  });
  const items = page.items.map(({ prescription }) => prescription);
  await announce(context, actor, prescriptions, "searched", items);
  return { body: { ...page, items: items.map((item) => prescriptions.listed(item)) } };
}
