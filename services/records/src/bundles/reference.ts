import type { FhirResource, References } from "../fhir/resource.ts";
import type { Bundle, Entry } from "./bundle.ts";

export interface BundleReferences extends References {
  isBundlePatient(reference: string | undefined): boolean;
}

/**
 * Indexes a bundle by full URL, by `Type/id`, and by `Type?identifier=system|value` (a conditional
 * reference).
 */
export function referencesOf(bundle: Bundle): BundleReferences {
  const byName = new Map<string, FhirResource>();
  for (const entry of bundle.entries) for (const name of namesOf(entry)) byName.set(name, entry.resource);
  const patient = bundle.patient?.resource ?? null;

  const resolve = (reference: string | undefined, from?: FhirResource): FhirResource | null => {
    if (reference === undefined) return null;
    if (reference.startsWith("#")) return contained(from, reference.slice(1));
    return byName.get(reference) ?? null;
  };
  return { resolve, isBundlePatient: (reference) => patient !== null && resolve(reference) === patient };
}

function namesOf({ fullUrl, resource }: Entry): string[] {
  const type = resource.resourceType;
  const identifiers = Array.isArray(resource.identifier) ? resource.identifier : [];
  return [
    ...(fullUrl === null ? [] : [fullUrl]),
    ...(typeof resource.id === "string" ? [`${type}/${resource.id}`] : []),
    ...identifiers.flatMap((one: { system?: unknown; value?: unknown } | null) =>
      typeof one?.value === "string" ? [`${type}?identifier=${one.system ?? ""}|${one.value}`] : [],
    ),
  ];
}

function contained(from: FhirResource | undefined, id: string): FhirResource | null {
  const inside = from?.contained;
  if (!Array.isArray(inside)) return null;
  const found: unknown = inside.find((one: { id?: unknown } | null) => one?.id === id);
  return typeof found === "object" && found !== null ? (found as FhirResource) : null;
}
