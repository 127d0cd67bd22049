import { Concept } from "../fhir/element.ts";

/** An identifier of a resource; `system` is empty where it has none. */
export interface NamedIdentifier {
  system: string;
  value: string;
  type?: unknown;
}

/** Types of HL7 v2-0203 that name a policy, an account, a visit, an order or a sample. */
const OF_NO_PERSON = new Set("MB SN AN AM ANON ACSN VN PLAC FILL FGN PGN UDI LN SP CK".split(" "));

/** The identifiers that have a value, whatever else is there. */
export function identifiersOf(resource: Readonly<Record<string, unknown>>): NamedIdentifier[] {
  const list: unknown[] = Array.isArray(resource.identifier) ? resource.identifier : [resource.identifier];
  return list.flatMap((one) => {
    const { system, value, type } = (one ?? {}) as Record<string, unknown>;
    if (typeof value !== "string") return [];
    return [{ system: typeof system === "string" ? system : "", value, type }];
  });
}

/** Whether one person alone has it: no policy, account or visit, and no placeholder or mask. */
export function isOfOnePerson({ system, value, type }: NamedIdentifier): boolean {
  const codes = Concept.safeParse(type).data?.coding ?? [];
  const bare = plain(value);
  const isPlaceholder = bare === "" || /^(.)\1*$/u.test(bare) || /[•*]/.test(bare);
  return system !== "" && !isPlaceholder && !codes.some(({ code }) => OF_NO_PERSON.has(code ?? ""));
}

/** The same for identifiers that are equal but for spaces, hyphens and case of the value. */
export function identifierKey({ system, value }: NamedIdentifier): string {
  return JSON.stringify([system, plain(value)]);
}

const plain = (value: string): string => value.replace(/[\s-]/g, "").toLowerCase();
