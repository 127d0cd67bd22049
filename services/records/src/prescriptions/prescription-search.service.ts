import {
  type Actor,
  type DamagedRow,
  InvalidInput,
  type PrescriptionSearch,
  type PrescriptionView,
} from "@medvault/contracts";
import { searchedFields } from "@medvault/keys";
import { holdsWords, type IndexedRow, searchWords } from "@medvault/search";
import type { Answer } from "@medvault/service-kit";
import { requirePatient } from "../access/chart.service.ts";
import type { Context } from "../context.ts";
import { indexedName } from "../patients/indexed-patient.ts";
import { findWithCharts } from "../patients/patient.store.ts";
import { patients } from "../patients/patient.table.ts";
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

/** A hit, and its row if that was there when it was read, with the texts that are looked at. */
interface Candidate {
  hit: Position;
  found: { prescription: Found<Prescription>; row: IndexedRow; names: readonly string[] } | undefined;
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
      const { prescription, row, names } = found;
      // What is damaged may match, as far as the index says.
      if (isDamaged(prescription)) return true;
      if (status !== undefined && row.status !== status) return false;
      const isInRange = row.isDated && row.startDate >= (from ?? "") && row.startDate <= (to ?? "9999-12-31");
      return (isInRange || !isRange) && holdsWords([row.text ?? "", ...names], words);
    },
    at: ({ hit }) => hit,
  });
  const items = page.items.flatMap(({ found }) => (found ? [found.prescription] : []));
  await announce(context, actor, prescriptions, "searched", items);
  return { body: { ...page, items: items.map((item) => prescriptions.listed(item)) } };
}

/**
 * These hits with their rows, of those in the actor's reach: in one statement, where no chart was
 * merged. Names are opened where the row's own text does not hold all of the words.
 */
async function openAll(
  context: Context,
  actor: Actor,
  hits: readonly Position[],
  words: readonly string[],
): Promise<Candidate[]> {
  const { reader, keyring } = context;
  const ids = hits.map(({ id }) => id);
  const rows = (await findWithPatients(reader, context, actor, ids)).map((one) => {
    const row = indexedPrescription(one.prescription);
    return { ...one, row, isByName: row.text !== null && !holdsWords([row.text], words) };
  });
  const merged = rows.filter(({ isMerged, isByName }) => isMerged && isByName);
  const mates = await findWithCharts(
    reader,
    context,
    actor,
    PERMISSION,
    merged.map(({ row }) => row.patientId),
  );
  const known = new Map<string, readonly string[]>();
  const namesOf = ({ prescription, row, patientRow, isMerged }: (typeof rows)[number]) => {
    const before = known.get(row.patientId);
    if (before) return before;
    const chartId = prescription[CHART]?.id ?? row.patientId;
    const mine = () => [patients.open(keyring, patientRow())];
    const chart = isMerged ? mates.filter((one) => one[CHART]?.id === chartId) : mine();
    const names = chart.flatMap((one) => indexedName(one) ?? []);
    known.set(row.patientId, names);
    return names;
  };
  const found = new Map(
    rows.map((one) => {
      const { prescription, row, isByName } = one;
      return [row.id, { prescription, row, names: isByName ? namesOf(one) : [] }];
    }),
  );
  return hits.map((hit) => ({ hit, found: found.get(hit.id) }));
}

/** Throws InvalidInput where nothing that `q` asks of is in the index, as the policy has it. */
function requireSearched(): void {
  const ours = searchedFields(prescriptions.table.declaration);
  const theirs = searchedFields(patients.table.declaration);
  if (ours.length === 0 && !theirs.includes("searchName"))
    throw new InvalidInput(undefined, [notSearched("q")]);
}
