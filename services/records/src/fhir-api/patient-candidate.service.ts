import { type Actor, PlainDate, scopeOf } from "@medvault/contracts";
import { searchWords } from "@medvault/search";
import { tokenOfName } from "../bundles/candidate.service.ts";
import { findByNames } from "../bundles/import.store.ts";
import { identifierName } from "../bundles/patient-name.ts";
import type { Context } from "../context.ts";
import { addedNameTokens, nameTokens, tokensOfAll } from "../patients/name-tokens.ts";
import * as store from "../patients/patient.store.ts";
import { patients } from "../patients/patient.table.ts";
import type { SearchPairs } from "./search-query.ts";

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
  const found = await context.indexes.of(patients.table).read(context.pool, async (query) => {
    const asked = { birth_date: birthDate, national_id: nationalId };
    const tokens: store.PatientTokens = {
      name: words.length > 0 ? nameTokens(query, words) : null,
      nationalId: nationalId ? query.exact("national_id", nationalId) : null,
      birthDate: birthDate === undefined ? null : query.exact("birth_date", birthDate),
      added: tokensOfAll([query.added(asked), words.length > 0 ? addedNameTokens(query, words) : null]),
    };
    if (Object.values(tokens).every((one) => one === null)) return null;
    return store.findCandidates(context.pool, context, actor, tokens, null, MAX_CANDIDATES + 1);
  });
  if (found === null || found.length > MAX_CANDIDATES) return null;
  // An identifier need not be one by which an import knows somebody, nor a national id.
  if (found.length === 0 && nationalId !== undefined) return null;
  return found.map(({ id }) => id);
}

/** Those whom an import knows by an identifier with its system, among whom the actor may write. */
async function byIdentifier(context: Context, actor: Actor, identifier: string | undefined) {
  const [system = "", value] = identifier?.split("|") ?? [];
  if (!system || !value || scopeOf(actor, "patient:write") === null) return [];
  const tokens = [tokenOfName(context, { name: identifierName({ system, value }) })];
  return [...(await findByNames(context.pool, context, actor, tokens)).values()].flatMap((ids) => [...ids]);
}
