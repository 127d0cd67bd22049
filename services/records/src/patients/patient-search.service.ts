import {
  type Actor,
  type DamagedRow,
  type FieldFault,
  InvalidInput,
  type PatientSearch,
  type PatientView,
  unicodeAddress,
} from "@medvault/contracts";
import { compact } from "@medvault/crypto";
import { searchedFields } from "@medvault/keys";
import { searchWords } from "@medvault/search";
import type { Answer } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { fillPage } from "../resources/page-filling.ts";
import type { Page, Position } from "../resources/paging.ts";
import { announce } from "../resources/resource.service.ts";
import { type AskedPatient, fieldOf, isAskedFor } from "./indexed-patient.ts";
import { candidatesOf, isFirstMatch, survivorIn } from "./merged-chart.ts";
import { spellingsOf } from "./national-id.ts";
import * as store from "./patient.store.ts";
import { patients } from "./patient.table.ts";

/** A number by which more are known says nothing of who somebody is. */
const MAX_BY_NUMBER = 10_000;

/** What each part of a search asks of, as the policy calls it. */
const FIELDS = { q: "searchName", birthDate: "birthDate", phone: "phone", email: "email" } as const;

/**
 * A page of those who match. `q`, `phone` and `email` are any part, `birthDate` is as it was said,
 * `nationalId` the whole number unless the operator's policy has it searched. All of them combine.
 * Throws InvalidInput for what the policy does not search by, SearchLoading, SearchMemoryFull.
 */
export async function searchPatients(
  context: Context,
  actor: Actor,
  search: PatientSearch,
): Promise<Answer<Page<PatientView | DamagedRow>>> {
  const { limit, cursor, q, nationalId, birthDate, phone } = search;
  const email = search.email && unicodeAddress(search.email);
  requireSearched(search);
  const isPart = searchedFields(patients.table.declaration).includes("nationalId");
  const parts = { phone, email, ...(isPart && { nationalId }) };
  const fields = Object.entries(parts).flatMap(([field, part]) =>
    part === undefined ? [] : [[field, fieldOf(field, part)] as const],
  );
  const asked = {
    words: q === undefined ? undefined : searchWords(q),
    birthDate,
    ...(fields.length > 0 && { fields: Object.fromEntries(fields) }),
  };
  const number = isPart ? undefined : nationalId;
  // Blanks and marks are part of nothing.
  const isNothing =
    asked.words?.length === 0 ||
    fields.some(([, part]) => part === "") ||
    (number !== undefined && compact(number) === "");
  const page = await fillPage({
    limit,
    cursor,
    filter: ["patients/search", q, nationalId, birthDate, phone, email],
    // Every hit is a match, but for what changed meanwhile, and where the number has no index now.
    ...(number === undefined && { spareRows: 1 }),
    fetch: async (after, rows) => {
      const hits = isNothing ? [] : await hitsOf(context, actor, asked, number, after, rows);
      const found = await store.findWithCharts(
        context.pool,
        context,
        actor,
        "patient:search",
        hits.map(({ id }) => id),
      );
      const candidates = new Map(candidatesOf(found).map((one) => [one.patient.id, one]));
      return {
        candidates: hits.map((hit) => ({ hit, candidate: candidates.get(hit.id) })),
        isFull: hits.length === rows,
      };
    },
    matches: ({ candidate }) =>
      candidate !== undefined &&
      isFirstMatch(
        candidate,
        (patient) =>
          isAskedFor(patient, asked) &&
          (number === undefined || patients.table.matches(patient, "national_id", number)),
      ),
    at: ({ hit }) => hit,
  });
  const shown = page.items.flatMap(({ candidate }) => (candidate ? [survivorIn(candidate)] : []));
  await announce(context, actor, patients, "searched", shown);
  return { body: { ...page, items: shown.map((patient) => patients.listed(patient)) } };
}

/** Those who match as far as index and tokens know; a number alone asks no index in memory. */
async function hitsOf(
  context: Context,
  actor: Actor,
  asked: AskedPatient,
  number: string | undefined,
  after: Position | null,
  limit: number,
): Promise<Position[]> {
  const permission = "patient:search";
  if (number === undefined) return context.search.patients(actor, permission, asked, after, limit);
  const isAlone = Object.values(asked).every((part) => part === undefined);
  const [from, rows] = isAlone ? ([after, limit] as const) : ([null, MAX_BY_NUMBER] as const);
  const known = await findByNumber(context, actor, number, from, rows);
  if (isAlone && known) return known;
  const only = known?.map(({ id }) => id);
  if (only?.length === 0) return [];
  return context.search.patients(actor, permission, { ...asked, only }, after, limit);
}

/**
 * Those whose national id it is, changed last first; null while its index is not in place, so that
 * everyone may be one of them.
 */
export function findByNumber(
  context: Context,
  actor: Actor,
  nationalId: string,
  after: Position | null,
  limit: number,
): Promise<Position[] | null> {
  return context.indexes.of(patients.table).read(context.pool, async (query) => {
    const tokens = query.exact("national_id", ...spellingsOf(nationalId));
    return tokens && store.findByNationalId(context.pool, actor, tokens, after, limit);
  });
}

/** Throws InvalidInput for what is asked for and is in no index, as the policy has it. */
function requireSearched(search: PatientSearch): void {
  const { declaration } = patients.table;
  const held = new Set(searchedFields(declaration));
  const isOff = declaration.exactOff?.includes("national_id") === true;
  const missing = [
    ...Object.entries(FIELDS).flatMap(([name, field]) => (held.has(field) ? [] : [name])),
    ...(isOff ? ["nationalId"] : []),
  ].filter((name) => search[name as keyof PatientSearch] !== undefined);
  if (missing.length > 0) throw new InvalidInput(undefined, missing.map(notSearched));
}

/** Of a part of a search that the operator's policy has in no index. */
export const notSearched = (path: string): FieldFault => ({
  path,
  message: "is not searched by here: this deployment's policy (MEDVAULT_POLICY_FILE) has it in no index",
});
