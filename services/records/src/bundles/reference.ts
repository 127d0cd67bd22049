import { identifierKey, identifiersOf, isOfOnePerson } from "../fhir/identifier.ts";
import type { FhirResource, References } from "../fhir/resource.ts";
import type { Bundle, Entry } from "./bundle.ts";
import { personsOf } from "./identity.ts";

export interface BundleReferences extends References {
  /** The people whom the bundle's Patients are: of each the first one. */
  people: readonly Entry[];
  /** The person whom a Patient of the bundle is. */
  personOf(patient: Entry): Entry;
  /**
   * The person of the bundle to whom an element of an entry, such as its subject, refers; also of
   * an entry that is not among the bundle's.
   */
  patientOf(about: unknown, entry: Entry): Entry | null;
}

const VERSION = /\/_history\/[A-Za-z0-9.-]{1,64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const RELATIVE = /^[A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64}$/;
/** https://hl7.org/fhir/R4/references.html#literal: base, type and id. */
const ON_SERVER = /^(https?:\/\/.+)\/([A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64})$/;

/**
 * Indexes a bundle by full URL, by `Type/id`, and by `Type?identifier=system|value` (a conditional
 * reference). A reference may name a version, spell a UUID in capitals, or be percent-encoded. A
 * name that two entries have names neither.
 */
export function referencesOf(bundle: Bundle): BundleReferences {
  const persons = personsOf(bundle.patients.map(({ resource }) => resource));
  const entryOf = new Map(bundle.entries.map((entry) => [entry.resource, entry]));
  const people = bundle.patients.filter((_, at) => persons[at] === at);
  const leaders = new Map(bundle.patients.map((entry, at) => [entry, bundle.patients[persons[at] ?? at]]));
  const personOf = (patient: Entry): Entry => leaders.get(patient) ?? patient;
  const isSame = (a: Entry | null | undefined, b: Entry): boolean =>
    a !== null && a !== undefined && personOf(a) === personOf(b);
  const byName = new Map<string, Entry | null>();
  // What is said outright stands before what is derived, and a full URL before all.
  for (const namesOf of [derivedNames, ownNames, fullUrls]) {
    const found = new Map<string, Entry | null>();
    for (const entry of bundle.entries) {
      for (const name of new Set(namesOf(entry).map(canonical))) {
        const other = found.get(name);
        found.set(name, other === undefined ? entry : isSame(other, entry) ? (other as Entry) : null);
      }
    }
    for (const [name, entry] of found) byName.set(name, entry);
  }
  const byIdentifier = new Map<string, Entry | null>();
  for (const patient of bundle.patients) {
    const keys = identifiersOf(patient.resource).filter(isOfOnePerson).map(identifierKey);
    for (const key of new Set(keys)) {
      const other = byIdentifier.get(key);
      byIdentifier.set(key, other === undefined || isSame(other, patient) ? personOf(patient) : null);
    }
  }

  const find = (reference: string, from?: FhirResource, server?: string): FhirResource | null => {
    if (reference.startsWith("#")) return contained(from, reference.slice(1));
    for (const name of [canonical(reference), canonical(decoded(reference))]) {
      const here = RELATIVE.test(name) ? server : undefined;
      const found = (here && byName.get(`${here}/${name}`)) || byName.get(name);
      if (found) return found.resource;
    }
    return null;
  };
  const resolve = (reference: string | undefined, from?: FhirResource): FhirResource | null =>
    reference === undefined ? null : find(reference, from, from && serverOf(entryOf.get(from)));
  const patientOf = (about: unknown, entry: Entry): Entry | null => {
    if (typeof about !== "object" || about === null) return null;
    const { reference, identifier, type = "Patient" } = about as Record<string, unknown>;
    if (reference === undefined) {
      const [asked] = identifiersOf({ identifier }).filter(isOfOnePerson);
      return (type === "Patient" && asked && byIdentifier.get(identifierKey(asked))) || null;
    }
    const found = typeof reference === "string" ? find(reference, entry.resource, serverOf(entry)) : null;
    const patient = found?.resourceType === "Patient" ? entryOf.get(found) : undefined;
    return patient && !isOnOtherServer(String(reference), entry, patient) ? personOf(patient) : null;
  };
  return { people, personOf, resolve, patientOf };
}

/** `Patient/1` of a resource of one server is not `Patient/1` of another. */
function isOnOtherServer(reference: string, from: Entry, to: Entry): boolean {
  const [here, there] = [serverOf(from), serverOf(to)];
  const isRelative = RELATIVE.test(canonical(decoded(reference)));
  return isRelative && here !== undefined && there !== undefined && here !== there;
}

const serverOf = (entry: Entry | undefined): string | undefined => ON_SERVER.exec(entry?.fullUrl ?? "")?.[1];

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
