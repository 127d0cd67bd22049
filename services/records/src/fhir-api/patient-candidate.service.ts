import { type Actor, PlainDate, scopeOf } from "@medvault/contracts";
import { searchWords } from "@medvault/search";
import { tokenOfName } from "../bundles/candidate.service.ts";
import { findByNames } from "../bundles/import.store.ts";
import { identifierName } from "../bundles/patient-name.ts";
import type { Context } from "../context.ts";
import { findIdsWithCharts } from "../patients/patient.store.ts";
import { findByNumber } from "../patients/patient-search.service.ts";
import type { SearchPairs } from "./search-query.ts";

const permission = "patient:search";
/** More of them are no help: then all in reach are looked at, page by page. */
const MAX_CANDIDATES = 1_000;

/**
 * The ids of those who may match a search by identifier, name or birth date, as far as indexes
 * know; each is to be checked once it is opened. Null: no index says anything.
 */
export async function patientCandidates(
  context: Context,
  actor: Actor,
  personal: SearchPairs,
): Promise<string[] | null> {
  const single = personal.filter(([, value]) => !value.includes(","));
  const named = (...names: string[]) =>
    single.flatMap(([name, value]) => (names.includes(name) ? [value] : []));
  const words = named("name", "family", "given").flatMap(searchWords);
  const birthDate = named("birthdate").find((value) => PlainDate.safeParse(value).success);
  const [identifier] = named("identifier");
  const known = await byIdentifier(context, actor, identifier);
  if (known.length > 0) return known;
  const nationalId = identifier?.split("|").at(-1);
  const numbered = nationalId
    ? await findByNumber(context, actor, nationalId, null, MAX_CANDIDATES + 1)
    : null;
  const asked = {
    ...(words.length > 0 && { words }),
    ...(birthDate !== undefined && { birthDate }),
  };
  const only = numbered?.map(({ id }) => id);
  // An identifier need not be one by which an import knows somebody, nor a national id.
  if (nationalId !== undefined && (only === undefined || only.length === 0)) return null;
  const found =
    Object.keys(asked).length === 0
      ? (numbered ?? null)
      : await context.search.patients(actor, permission, { ...asked, only }, null, MAX_CANDIDATES + 1);
  if (found === null || found.length > MAX_CANDIDATES) return null;
  // Of a merged chart the index tells of one patient; another of it may be who is asked for.
  return findIdsWithCharts(
    context.pool,
    actor,
    permission,
    found.map(({ id }) => id),
  );
}

/** Those whom an import knows by an identifier with its system, among whom the actor may write. */
async function byIdentifier(context: Context, actor: Actor, identifier: string | undefined) {
  const [system = "", value] = identifier?.split("|") ?? [];
  if (!system || !value || scopeOf(actor, "patient:write") === null) return [];
  const tokens = [tokenOfName(context, { name: identifierName({ system, value }) })];
  return [...(await findByNames(context.pool, context, actor, tokens)).values()].flatMap((ids) => [...ids]);
}
