import { type Actor, type ResourceAction, SearchLoading, SearchMemoryFull } from "@medvault/contracts";
import { searchedFields } from "@medvault/keys";
import { searchWords } from "@medvault/search";
import type { Context } from "../context.ts";
import type { Called } from "./namesake.ts";
import { patients } from "./patient.table.ts";

/** As many charts are looked at for one person. */
const MAX_NAMESAKES = 20;

/** For each of some people, in their order, ids of charts; whether the index could say. */
export interface Namesakes {
  ids: string[][];
  isChecked: boolean;
}

/**
 * The charts in the actor's reach that hold the name and the birth date of each of these people, as
 * far as both are known and searched by. While the index cannot answer, nobody is found and
 * `isChecked` is false.
 */
export async function findNamesakes(
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  people: readonly Omit<Called, "sex">[],
): Promise<Namesakes> {
  const ids = people.map((): string[] => []);
  const held = searchedFields(patients.table.declaration);
  const canAsk = held.includes("searchName") && held.includes("birthDate");
  const asked = people.flatMap(({ givenName, familyName, birthDate }, at) => {
    const words = searchWords(`${givenName} ${familyName}`);
    return canAsk && birthDate !== null && words.length > 0 ? [{ at, words, birthDate }] : [];
  });
  if (asked.length === 0) return { ids, isChecked: canAsk || people.length === 0 };
  try {
    const found = await context.search.patientsOfEach(actor, permission, asked, MAX_NAMESAKES);
    for (const [n, { at }] of asked.entries()) ids[at] = (found[n] ?? []).map(({ id }) => id);
    return { ids, isChecked: true };
  } catch (error) {
    if (error instanceof SearchLoading || error instanceof SearchMemoryFull) return { ids, isChecked: false };
    throw error;
  }
}
