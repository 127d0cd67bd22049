import { createHash } from "node:crypto";
import { canonicalJson } from "@medvault/crypto";
import { identifierKey, identifiersOf, isOfOnePerson, type NamedIdentifier } from "../fhir/identifier.ts";
import type { MappedPatient } from "../fhir/map-patient.ts";
import type { Entry } from "./bundle.ts";

/** A name by which a chart is found for a patient, a text to be turned into a keyed token. */
export interface PatientName {
  name: string;
  is: "identifier" | "server" | "uuid" | "local" | "same";
  /** Names of one identifier have the same. */
  of: string;
  /** How charts were found of before: it is looked for, and not noted any more. */
  isFormer?: true;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const VERSION = /\/_history\/[A-Za-z0-9.-]{1,64}$/;
/** Hosts of which everyone has one of their own. */
const LOCAL_HOST = /^(localhost|[^.]*|.*\.(local|localhost|internal|lan)|[\d.]+|\[.*\])$/i;

/**
 * By what a bundle's patients who are one person are known:
 *
 * - each identifier that one person alone has, also one by which its request seeks it;
 * - the full URL, where it names the resource alone in the world;
 * - the resource as it is, so that a second load of it finds the same chart;
 * - without identifier and such a URL, the id together with name and birth date.
 */
export function patientNames(
  entries: readonly Entry[],
  { knownAs, birthDate }: Pick<MappedPatient, "knownAs" | "birthDate">,
  bundleHash: () => string,
): PatientName[] {
  const names = entries.flatMap((entry) => namesOf(entry, knownAs, birthDate, bundleHash));
  return [...new Map(names.map((one) => [one.name, one])).values()];
}

function namesOf(
  entry: Entry,
  { givenName, familyName }: MappedPatient["knownAs"],
  birthDate: string | null,
  bundleHash: () => string,
): PatientName[] {
  const { resource, fullUrl } = entry;
  const all = identifiersOf(resource);
  const sought = entry.interaction?.sought ? [entry.interaction.sought] : [];
  const identifiers = [...all, ...sought].filter(isOfOnePerson);
  const names = identifiers.flatMap((one): PatientName[] => {
    const of = identifierKey(one);
    return [
      { name: name("patient", one.system, one.value), is: "identifier", of, isFormer: true },
      { name: identifierName(one), is: "identifier", of },
    ];
  });
  const where = whereOf(entry);
  if (where) names.push({ name: name("patient-at", where.of), ...where });
  const of = createHash("sha256").update(canonicalJson(resource)).digest("hex");
  const scope = identifiers.length > 0 ? "" : (where?.of ?? bundleHash());
  names.push({ name: name("patient-same", scope, of), is: "same", of });
  const local = fullUrl ?? String(resource.id ?? "");
  // Before, a person without an identifier that has a system was known by this.
  if (local !== "" && all.every(({ system }) => system === "")) {
    const isKnown = birthDate !== null && (givenName !== "" || familyName !== "");
    names.push({
      name: name("patient-url", local, givenName, familyName, birthDate ?? ""),
      is: "local",
      of: local,
      ...(!(where === null && isKnown) && { isFormer: true }),
    });
  }
  return names;
}

function whereOf({ fullUrl, resource }: Entry): Pick<PatientName, "is" | "of"> | null {
  const url = (fullUrl ?? "").replace(VERSION, "");
  const host = /^https?:\/\/([^/:?#]+)/i.exec(url)?.[1];
  if (host !== undefined && !LOCAL_HOST.test(host)) return { is: "server", of: url };
  const uuid = /^urn:uuid:(.*)$/i.exec(url)?.[1] ?? String(resource.id ?? "");
  return UUID.test(uuid) ? { is: "uuid", of: `urn:uuid:${uuid.toLowerCase()}` } : null;
}

/** The name of the one who has an identifier. */
export function identifierName(identifier: NamedIdentifier): string {
  const [system, value] = JSON.parse(identifierKey(identifier)) as [string, string];
  return name("patient", system, value);
}

/** JSON keeps the parts apart: no choice of parts can spell another name. */
const name = (...parts: string[]): string => JSON.stringify(parts);
