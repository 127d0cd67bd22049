import { isPrimitive } from "./primitive.ts";
import r4 from "./r4.json" with { type: "json" };

/** One property of a FHIR type in JSON: `onsetDateTime` is one of the element `onset[x]`. */
export interface Property {
  /** `onset[x]`, or the property's own name. */
  element: string;
  type: string;
  isPrimitive: boolean;
  isList: boolean;
  /** Codes by system, where R4 allows no others. */
  codes: ReadonlyMap<string, ReadonlySet<string>> | null;
}

/** What FHIR R4 says of a type. */
export interface Definition {
  properties: ReadonlyMap<string, Property>;
  /** Elements that there must be. */
  required: readonly string[];
}

const PROPERTY = /^([^:]+):([^*!@]+)(\*?)(!?)(?:@(.+))?$/;
const texts: Readonly<Record<string, string>> = r4.types;
const sets: Readonly<Record<string, Readonly<Record<string, string>>>> = r4.codes;
const read = new Map<string, Definition>();
const readCodes = new Map<string, ReadonlyMap<string, ReadonlySet<string>>>();

/**
 * The definition of a type of FHIR R4 (4.0.1), or of a part of one (`Patient.contact`); undefined
 * for what is none or is primitive. They are read from `r4.json` one by one, when first asked for:
 * `dev/fhir-definitions.ts` makes it of HL7's own, and says how to read it.
 */
export function definitionOf(type: string): Definition | undefined {
  const known = read.get(type);
  if (known || !Object.hasOwn(texts, type)) return known;
  const [base = "-", ...own] = (texts[type] ?? "").split(" ");
  const inherited = definitionOf(base);
  const properties = new Map(inherited?.properties);
  const required = [...(inherited?.required ?? [])];
  for (const text of own) {
    const [, element = "", types = "", list, must, set] = PROPERTY.exec(text) ?? [];
    const isChoice = element.endsWith("[x]");
    for (const type of types.split("|")) {
      const name = isChoice ? `${element.slice(0, -3)}${type[0]?.toUpperCase()}${type.slice(1)}` : element;
      const isList = list === "*";
      const codes = set ? codesOf(set) : null;
      properties.set(name, { element, type, isPrimitive: isPrimitive(type), isList, codes });
    }
    if (must) required.push(element);
  }
  const definition = { properties, required };
  read.set(type, definition);
  return definition;
}

/** Whether R4 has a resource of this name. */
export function isResourceType(type: string): boolean {
  const base = Object.hasOwn(texts, type) ? texts[type]?.split(" ")[0] : undefined;
  return base === "DomainResource" || (base === "Resource" && type !== "DomainResource");
}

/** The names of all resources of R4. */
export const resourceTypes = (): string[] =>
  [...codesOf("resource-types").values()]
    .flatMap((names) => [...names])
    .filter(isResourceType)
    .sort();

function codesOf(set: string): ReadonlyMap<string, ReadonlySet<string>> {
  const known = readCodes.get(set);
  if (known) return known;
  const systems = new Map(
    Object.entries(sets[set] ?? {}).map(([system, list]) => [system, new Set(list.split(" "))]),
  );
  readCodes.set(set, systems);
  return systems;
}
