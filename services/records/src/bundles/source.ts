import { createHash } from "node:crypto";
import { losslessJson } from "@medvault/contracts";
import { canonicalJson } from "@medvault/crypto";
import { identifiersOf } from "../fhir/identifier.ts";
import type { FhirResource, References } from "../fhir/resource.ts";
import { mapYielding } from "./batch.ts";
import type { Entry } from "./bundle.ts";

const UUID_URL = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const HTTP_URL = /^https?:\/\/./;
/** In canonical JSON; what a `urn:uuid` means is said by its bundle alone. */
const UUID_REFERENCE = /"reference":"(urn:uuid:[0-9a-f-]{36})"/gi;
/** More identifiers name nothing: each is a token. */
const MAX_IDENTIFIERS = 20;

/**
 * By what a resource is known within its subject: texts to be turned into keyed tokens.
 */
export interface Names {
  /** Its alone: its http(s) full URL, or the `Type/id` that it is put to. */
  own: string | null;
  /** Others may bear them too: a `urn:uuid`, which may be used again, and each identifier. */
  shared: string[];
  /** What it says, word for word. */
  content: string;
  /** As it was known before names said of which row they are (migration 0011). */
  before: string[];
}

/** The names of those entries of a bundle that are about one subject. */
export function namesOf(entries: readonly Entry[], references: References): Promise<Names[]> {
  const before = formerNames(entries);
  const contentOf = contents(references);
  let at = 0;
  return mapYielding(entries, (entry) => ({
    own: ownName(entry),
    shared: sharedNames(entry),
    content: name("says", entry.resource.resourceType, contentOf(entry.resource)),
    before: before[at++] ?? [],
  }));
}

/** The name of everything of a type that has this identifier. */
export const identifierName = (type: string, system: string, value: string): string =>
  name("number", type, system, value);

/** The name of what another server calls `Type/id`. */
export const putName = (type: string, id: string): string => name("id", type, id);

/** JSON keeps the parts apart: no choice of `system` and `value` can spell another pair. */
const name = (...parts: string[]): string => JSON.stringify(parts);

function ownName({ fullUrl, resource, interaction }: Entry): string | null {
  if (fullUrl !== null && HTTP_URL.test(fullUrl)) return name("url", fullUrl);
  if (interaction?.method !== "PUT" || interaction.id === null) return null;
  return putName(resource.resourceType, interaction.id);
}

function sharedNames({ fullUrl, resource, interaction }: Entry): string[] {
  const type = resource.resourceType;
  const uuid = fullUrl !== null && UUID_URL.test(fullUrl) ? [name("uuid", type, fullUrl.toLowerCase())] : [];
  // What is posted gets another id; what is listed has the one that it has.
  const isListed = interaction === null && fullUrl === null && typeof resource.id === "string";
  const id = isListed ? [putName(type, String(resource.id))] : [];
  const numbers = type === "Patient" ? [] : identifiersOf(resource).slice(0, MAX_IDENTIFIERS);
  const named = numbers.map(({ system, value }) => identifierName(type, system, value));
  return [...uuid, ...id, ...new Set(named)];
}

/**
 * Hashes of what resources say. A reference by `urn:uuid` to another entry is what that one says,
 * so that a bundle whose UUIDs were made again says the same.
 */
function contents(references: References): (resource: FhirResource) => string {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  const flat = new Map<FhirResource, string>();
  const flatOf = (resource: FhirResource): string => {
    const known = flat.get(resource);
    if (known !== undefined) return known;
    const made = hash(canonicalJson(resource).replace(UUID_REFERENCE, '"reference":"urn:uuid:"'));
    flat.set(resource, made);
    return made;
  };
  const meant = (whole: string, url: string): string => {
    const found = references.resolve(url);
    if (!found) return whole;
    return `"reference":"${found.resourceType === "Patient" ? "Patient" : flatOf(found)}"`;
  };
  return (resource) => hash(canonicalJson(resource).replace(UUID_REFERENCE, meant));
}

/**
 * Each resource's names before migration 0011, of which one hit is enough to know it:
 *
 * - its full URL, where that names it alone in the world (`urn:uuid:` with a UUID, or http);
 * - its identifiers, all of them together, where no other entry of the bundle has the same set;
 * - failing both, its content, counted among equals.
 */
function formerNames(entries: readonly Entry[]): string[][] {
  const shared = sharedIdentifierSets(entries);
  const equals = new Map<string, number>();
  return entries.map(({ fullUrl, resource }) => {
    const type = resource.resourceType;
    const names: string[] = [];
    if (fullUrl !== null && (UUID_URL.test(fullUrl) || HTTP_URL.test(fullUrl)))
      names.push(name("url", fullUrl));
    const identifiers = identifierSet(resource);
    if (identifiers !== null && !shared.has(`${type} ${identifiers}`))
      names.push(name("identifier", type, identifiers));
    if (names.length > 0) return names;
    // Numbers did not keep their digits then.
    const inNumbers: unknown = JSON.parse(losslessJson(resource));
    const content = createHash("sha256").update(canonicalJson(inNumbers)).digest("hex");
    const nth = equals.get(content) ?? 0;
    equals.set(content, nth + 1);
    return [name("content", content, String(nth))];
  });
}

function identifierSet(resource: FhirResource): string | null {
  const named = identifiersOf(resource).flatMap(({ system, value }) =>
    system === "" ? [] : [name(system, value)],
  );
  return named.length > 0 ? JSON.stringify(named.sort()) : null;
}

function sharedIdentifierSets(entries: readonly Entry[]): Set<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const { resource } of entries) {
    const set = `${resource.resourceType} ${identifierSet(resource)}`;
    if (seen.has(set)) shared.add(set);
    seen.add(set);
  }
  return shared;
}
