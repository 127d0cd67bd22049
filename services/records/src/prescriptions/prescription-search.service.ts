import {
  type Actor,
  type DamagedRow,
  InvalidInput,
  type PrescriptionSearch,
  type PrescriptionView,
} from "@medvault/contracts";
import { searchedFields } from "@medvault/keys";
import { holdsWords, searchWords } from "@medvault/search";
import type { Answer } from "@medvault/service-kit";
import { requirePatient } from "../access/chart.service.ts";
import type { Context } from "../context.ts";
import { indexedPatient } from "../patients/indexed-patient.ts";
import { findWithCharts } from "../patients/patient.store.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import { notSearched } from "../patients/patient-search.service.ts";
import { CHART } from "../resources/chart.ts";
import { type Found, isDamaged } from "../resources/damaged-row.ts";
import { fillPage } from "../resources/page-filling.ts";
import type { Page, Position } from "../resources/paging.ts";
import { announce } from "../resources/resource.service.ts";
import { indexedPrescription } from "./indexed-prescription.ts";
import { prescriptions } from "./prescription.table.ts";
import type { Prescription } from "./prescription.ts";
import { findWithPatients } from "./prescription-search.store.ts";

const PERMISSION = "prescription:search";

/** What is looked at, if the row was there when it was read. */
interface Candidate {
  hit: Position;
  found?: { prescription: Found<Prescription>; names: () => readonly string[] };
}

/**
 * A page of those where each word of `q` is part of the medication, code or its display, or of a
 * name of the patient's. Throws NotFound, SearchLoading, SearchMemoryFull; InvalidInput where the
 * operator's policy has none of these in the index.
 */
export async function searchPrescriptions(
  context: Context,
  actor: Actor,
  search: PrescriptionSearch,
): Promise<Answer<Page<PrescriptionView | DamagedRow>>> {
  const { limit, cursor, q, ...filter } = search;
  requireSearched();
  const chart = await requirePatient(context, actor, PERMISSION, filter.patientId);
  const { from, to, status } = filter;
  const words = searchWords(q);
  const isRange = from !== undefined || to !== undefined;
  const page = await fillPage<Candidate>({
    limit,
    cursor,
    filter: ["prescriptions/search", q, filter],
    spareRows: 1,
    fetch: async (after, rows) => {
      if (words.length === 0) return { candidates: [], isFull: false }; // blanks and marks: part of nothing
      const asked = { words, chart, from, to, status };
      const hits = await context.search.rows(actor, PERMISSION, asked, after, rows);
      return { candidates: await openAll(context, actor, hits, words), isFull: hits.length === rows };
    },
    matches: ({ found }) => {
      if (!found) return false;
      const { prescription, names } = found;
      // What is damaged may match, as far as the index says.
      if (isDamaged(prescription)) return true;
      const { text, isDated, ...row } = indexedPrescription(prescription);
      if (status !== undefined && row.status !== status) return false;
      if (isRange && !(isDated && row.startDate >= (from ?? "") && row.startDate <= (to ?? "9999-12-31")))
        return false;
      return holdsWords([text ?? ""], words) || holdsWords([text ?? "", ...names()], words);
    },
    at: ({ hit }) => hit,
  });
  const items = page.items.flatMap(({ found }) => (found ? [found.prescription] : []));
  await announce(context, actor, prescriptions, "searched", items);
  return { body: { ...page, items: items.map((item) => prescriptions.listed(item)) } };
}

/**
 * The rows of these hits that are there and in the actor's reach, and by which names each may be
 * found: in one statement, where no chart was merged.
 */
async function openAll(
  context: Context,
  actor: Actor,
  hits: readonly Position[],
  words: readonly string[],
): Promise<Candidate[]> {
  const { pool, keyring } = context;
  const ids = hits.map(({ id }) => id);
  const rows = await findWithPatients(pool, context, actor, ids);
  const isByName = ({ prescription }: { prescription: Found<Prescription> }) =>
    !isDamaged(prescription) && !holdsWords([indexedPrescription(prescription).text ?? ""], words);
  const merged = rows.filter((row) => row.isMerged && isByName(row));
  const mates = await findWithCharts(
    pool,
    context,
    actor,
    PERMISSION,
    merged.map(({ prescription }) => prescription.patientId),
  );
  const byId = new Map(
    rows.map(({ prescription, patientRow, isMerged }) => {
      const chartId = prescription[CHART]?.id ?? prescription.patientId;
      const of = (): readonly Found<Patient>[] =>
        isMerged
          ? mates.filter((one) => one.id === chartId || one[CHART]?.id === chartId)
          : [patients.open(keyring, patientRow)];
      return [
        prescription.id,
        { prescription, names: () => of().map((one) => indexedPatient(one).name ?? "") },
      ];
    }),
  );
  return hits.map((hit) => {
    const found = byId.get(hit.id);
    return found ? { hit, found } : { hit };
  });
}

/** Throws InvalidInput where nothing that `q` asks of is in the index, as the policy has it. */
function requireSearched(): void {
  const ours = searchedFields(prescriptions.table.declaration);
  const theirs = searchedFields(patients.table.declaration);
  if (ours.length === 0 && !theirs.includes("searchName"))
    throw new InvalidInput(undefined, [notSearched("q")]);
}
