import type { SensitiveField } from "@medvault/contracts";
import { maskEdges } from "@medvault/keys";
import type { FhirResource } from "./resource.ts";

/**
 * Resources that are a person, whose identifiers, telecom and address are masked as a patient's
 * are.
 */
const PERSONS = new Set(["Patient", "RelatedPerson", "Person"]);

type Fields = Record<string, unknown>;

/**
 * A resource with the sensitive fields of persons masked, but for those of `unmask`; contained ones
 * as well.
 */
export function maskResource(resource: FhirResource, unmask: readonly SensitiveField[]): FhirResource {
  const contained = resource.contained;
  const masked = PERSONS.has(resource.resourceType) ? maskPerson(resource, unmask) : resource;
  if (!Array.isArray(contained)) return masked;
  return { ...masked, contained: contained.map((inner) => maskResource(inner as FhirResource, unmask)) };
}

function maskPerson(person: FhirResource, unmask: readonly SensitiveField[]): FhirResource {
  // The narrative says in HTML what the fields say.
  const { text, ...fields } = person;
  const all = ["nationalId", "phone", "email", "address"].every((field) =>
    unmask.includes(field as SensitiveField),
  );
  return {
    ...(maskFields(fields, unmask) as FhirResource),
    ...(all && text !== undefined ? { text } : {}),
    ...(Array.isArray(person.contact)
      ? { contact: person.contact.map((contact) => maskFields(contact as Fields, unmask)) }
      : {}),
  };
}

function maskFields(fields: Fields, unmask: readonly SensitiveField[]): Fields {
  const masked = { ...fields };
  if (!unmask.includes("nationalId")) masked.identifier = each(fields.identifier, maskKeys(["value"]));
  masked.telecom = each(fields.telecom, (one) =>
    unmask.includes(one.system as SensitiveField) ? one : maskKeys(["value"])(one),
  );
  if (!unmask.includes("address")) {
    masked.address = each(fields.address, maskKeys(["text", "line", "city", "district", "postalCode"]));
  }
  for (const key of ["identifier", "telecom", "address"]) if (masked[key] === undefined) delete masked[key];
  return masked;
}

function each(value: unknown, change: (one: Fields) => Fields): unknown {
  if (Array.isArray(value)) return value.map((one) => change((one ?? {}) as Fields));
  return typeof value === "object" && value !== null ? change(value as Fields) : value;
}

const maskKeys =
  (keys: readonly string[]) =>
  (fields: Fields): Fields => {
    const masked = { ...fields };
    for (const key of keys) {
      const value = fields[key];
      if (value !== undefined) masked[key] = Array.isArray(value) ? value.map(maskEdges) : maskEdges(value);
    }
    return masked;
  };
