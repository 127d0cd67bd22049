import { createHash } from "node:crypto";
import { canonicalJson } from "@medvault/crypto";
import type { FhirResource } from "../fhir/resource.ts";
import type { Entry } from "./bundle.ts";

const UUID_URL = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * By what each resource is known within its subject, so that a second load of it stores nothing:
 * texts to be turned into keyed tokens. One hit is enough to know a resource.
 *
 * - its full URL, where that names it alone in the world (`urn:uuid:` with a UUID, or http);
 * - its identifiers, all of them together: one alone may be shared (Synthea's claim-group is
 * 99999999999 on
 * every ExplanationOfBenefit), and losing a resource is worse than keeping it twice. A set that two
 * entries of
 * the bundle share names neither;
 * - failing both, its content, counted among equals.
 */
export function sourceNames(entries: readonly Entry[]): string[][] {
  const shared = sharedIdentifierSets(entries);
  const equals = new Map<string, number>();
  return entries.map((entry) => {
    const type = entry.resource.resourceType;
    const names: string[] = [];
    if (entry.fullUrl !== null && isWorldWide(entry.fullUrl)) names.push(name("url", entry.fullUrl));
    const identifiers = identifierSet(entry.resource);
    if (identifiers !== null && !shared.has(`${type} ${identifiers}`))
      names.push(name("identifier", type, identifiers));
    if (names.length > 0) return names;
    const content = createHash("sha256").update(canonicalJson(entry.resource)).digest("hex");
    const nth = equals.get(content) ?? 0;
    equals.set(content, nth + 1);
    return [name("content", content, String(nth))];
  });
}

/**
 * By what a bundle's patient is known: each identifier (system and value) or, without any, the full
 * URL together with name and birth date.
 */
export function patientNames(
  entry: Entry,
  patient: {
    identifiers: { system: string; value: string }[];
    knownAs: { givenName: string; familyName: string };
    birthDate: string | null;
  },
): string[] {
  if (patient.identifiers.length > 0) {
    return [...new Set(patient.identifiers.map(({ system, value }) => name("patient", system, value)))];
  }
  const where = entry.fullUrl ?? String(entry.resource.id ?? "");
  const { givenName, familyName } = patient.knownAs;
  return [name("patient-url", where, givenName, familyName, patient.birthDate ?? "")];
}

/** JSON keeps the parts apart: no choice of `system` and `value` can spell another pair. */
const name = (...parts: string[]): string => JSON.stringify(parts);

function isWorldWide(fullUrl: string): boolean {
  return UUID_URL.test(fullUrl) || /^https?:\/\/./.test(fullUrl);
}

function identifierSet(resource: FhirResource): string | null {
  const found = resource.identifier;
  const list: unknown[] = Array.isArray(found) ? found : found === undefined ? [] : [found];
  const named = list.flatMap((one) => {
    const { system, value } = (one ?? {}) as { system?: unknown; value?: unknown };
    return typeof value === "string" && typeof system === "string" ? [name(system, value)] : [];
  });
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
