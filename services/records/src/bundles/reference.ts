import type { FhirResource, References } from "../fhir/resource.ts";
import type { Bundle, Entry } from "./bundle.ts";
import { identifierKey, identifiersOf, isOfOnePerson } from "./identifier.ts";

export interface BundleReferences extends References {
  /** Whether an element of an entry, such as its subject, refers to the bundle's own patient. */
  isBundlePatient(about: unknown, entry: Entry): boolean;
}

const VERSION = /\/_history\/[A-Za-z0-9.-]{1,64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const RELATIVE = /^[A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64}$/;
/** https://hl7.org/fhir/R4/references.html#literal: base, type and id. */
const ON_SERVER = /^(https?:\/\/.+)\/([A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64})$/;

/**
 * Indexes a bundle by full URL, by `Type/id`, and by `Type?identifier=system|value` (a conditional
 * reference). A reference may name a version, spell a UUID in capitals, or be percent-encoded.
 */
export function referencesOf(bundle: Bundle): BundleReferences {
  const byName = new Map<string, FhirResource>();
  // What is said outright stands before what is derived, and a full URL before all.
  for (const namesOf of [derivedNames, ownNames, fullUrls]) {
    for (const entry of bundle.entries) {
      for (const name of namesOf(entry)) byName.set(canonical(name), entry.resource);
    }
  }
  const { patient } = bundle;
  const identifiers = new Set(
    identifiersOf(patient?.resource ?? {})
      .filter(isOfOnePerson)
      .map(identifierKey),
  );

  const resolve = (reference: string | undefined, from?: FhirResource): FhirResource | null => {
    if (reference === undefined) return null;
    if (reference.startsWith("#")) return contained(from, reference.slice(1));
    return byName.get(canonical(reference)) ?? byName.get(canonical(decoded(reference))) ?? null;
  };
  const isBundlePatient = (about: unknown, entry: Entry): boolean => {
    if (patient === null || typeof about !== "object" || about === null) return false;
    const { reference, identifier, type = "Patient" } = about as Record<string, unknown>;
    if (reference === undefined) {
      const [asked] = identifiersOf({ identifier }).filter(isOfOnePerson);
      return type === "Patient" && asked !== undefined && identifiers.has(identifierKey(asked));
    }
    if (typeof reference !== "string" || isOnOtherServer(reference, entry, patient)) return false;
    return resolve(reference, entry.resource) === patient.resource;
  };
  return { resolve, isBundlePatient };
}

/** `Patient/1` of a resource of one server is not `Patient/1` of another. */
function isOnOtherServer(reference: string, from: Entry, to: Entry): boolean {
  const [here, there] = [from, to].map(({ fullUrl }) => ON_SERVER.exec(fullUrl ?? "")?.[1]);
  const isRelative = RELATIVE.test(canonical(decoded(reference)));
  return isRelative && here !== undefined && there !== undefined && here !== there;
}

const fullUrls = ({ fullUrl }: Entry): string[] => (fullUrl === null ? [] : [fullUrl]);

function ownNames({ resource }: Entry): string[] {
  const type = resource.resourceType;
  const identifiers = identifiersOf(resource).filter((one) => type !== "Patient" || isOfOnePerson(one));
  return [
    ...(typeof resource.id === "string" ? [`${type}/${resource.id}`] : []),
    ...identifiers.map(({ system, value }) => `${type}?identifier=${system}|${value}`),
  ];
}

/** A UUID is nobody else's, whether it stands as an id or in a full URL. */
function derivedNames({ fullUrl, resource }: Entry): string[] {
  const uuid = fullUrl?.startsWith("urn:uuid:") ? fullUrl.slice("urn:uuid:".length) : "";
  const onServer = ON_SERVER.exec(fullUrl ?? "")?.[2];
  return [
    ...(UUID.test(uuid) ? [`${resource.resourceType}/${uuid.toLowerCase()}`] : []),
    ...(UUID.test(String(resource.id)) ? [`urn:uuid:${resource.id}`] : []),
    ...(onServer?.startsWith(`${resource.resourceType}/`) ? [onServer] : []),
  ];
}

function canonical(reference: string): string {
  return (/^urn:/i.test(reference) ? reference.toLowerCase() : reference).replace(VERSION, "");
}

function decoded(reference: string): string {
  try {
    return decodeURIComponent(reference);
  } catch {
    return reference;
  }
}

function contained(from: FhirResource | undefined, id: string): FhirResource | null {
  const inside = from?.contained;
  if (!Array.isArray(inside)) return null;
  const found: unknown = inside.find((one: { id?: unknown } | null) => one?.id === id);
  return typeof found === "object" && found !== null ? (found as FhirResource) : null;
}
