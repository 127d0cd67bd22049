/** Elements of the R4 definitions (https://hl7.org/fhir/R4/downloads.html, CC0) that are read here. */
export interface Definition {
  resourceType: "StructureDefinition";
  name: string;
  url: string;
  kind: string;
  fhirVersion: string;
  derivation?: string;
  baseDefinition?: string;
  snapshot: { element: ElementDefinition[] };
}
interface ElementDefinition {
  id?: string;
  path: string;
  min: number;
  max: string;
  base?: object & { path: string };
  contentReference?: string;
  type?: { code: string; extension?: { url: string; valueUrl?: string }[]; targetProfile?: string[] }[];
  binding?: { strength: string; valueSet?: string };
  constraint?: { key: string; severity: string; human: string; expression?: string }[];
}
interface Concept {
  code: string;
  concept?: Concept[];
}
interface Include {
  system?: string;
  valueSet?: string[];
  concept?: Concept[];
  filter?: unknown[];
}
export type Terminology = {
  resourceType: string;
  url: string;
  concept?: Concept[];
  compose?: { include: Include[]; exclude?: Include[] };
};

/** Value sets longer than this are not compared: of these, words of a language and types of a model. */
const MAX_CODES = 300;
const INHERITED = /^(Element|BackboneElement|Resource|DomainResource)\./;
const FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";

/**
 * What is checked at run time, in one text a type: its base, then `name:type` for each element of its own;
 * `*` is a list, `!` required, `a|b` a choice of types, `@set` a required binding to a set of `codes`.
 */
export function compactDefinitions(
  definitions: readonly Definition[],
  terminologies: readonly Terminology[],
) {
  const byUrl = new Map(terminologies.map((one) => [one.url, one]));
  const types: Record<string, string> = {};
  const codes: Record<string, Record<string, string>> = {};
  for (const { snapshot, name, kind, baseDefinition } of definitions) {
    if (kind === "primitive-type") continue;
    const root = baseDefinition?.split("/").at(-1) ?? "";
    const parts = new Map<string, string[]>([[name, [root === "" ? "-" : baseOf(root)]]]);
    for (const element of snapshot.element.slice(1)) {
      const at = element.path.lastIndexOf(".");
      const nested = element.type?.length === 1 && /^(Backbone)?Element$/.test(element.type[0]?.code ?? "");
      if (nested) parts.set(element.path, [element.type?.[0]?.code ?? ""]);
      if (INHERITED.test(element.base?.path ?? "") && root !== "" && !INHERITED.test(element.path)) continue;
      const set = required(element, byUrl);
      if (set) codes[set.name] ??= set.codes;
      const type = nested ? element.path : typesOf(element).join("|");
      const flags = `${element.max === "1" ? "" : "*"}${element.min > 0 ? "!" : ""}${set ? `@${set.name}` : ""}`;
      parts.get(element.path.slice(0, at))?.push(`${element.path.slice(at + 1)}:${type}${flags}`);
    }
    for (const [path, lines] of parts) types[path] = lines.join(" ");
  }
  return { types: sorted(types), codes: sorted(codes) };
}

/** Of the definitions, only what a validator of them needs. */
export function trimmedDefinitions(definitions: readonly Definition[]): object[] {
  return definitions.map((one) => ({
    ...(({ resourceType, name, url, kind, derivation, baseDefinition }) => ({
      resourceType,
      name,
      url,
      kind,
      derivation,
      baseDefinition,
    }))(one),
    type: one.name,
    snapshot: {
      element: one.snapshot.element.map(
        ({ id, path, min, max, base, contentReference, type, binding, constraint }) => ({
          id,
          path,
          min,
          max,
          base,
          contentReference,
          type: type?.map(({ code, extension, targetProfile }) => ({ code, extension, targetProfile })),
          binding: binding && { strength: binding.strength, valueSet: binding.valueSet },
          constraint: constraint?.map(({ key, severity, human, expression }) => ({
            key,
            severity,
            human,
            expression,
          })),
        }),
      ),
    },
  }));
}

/** Quantity's kinds have no elements but Quantity's. */
const baseOf = (root: string): string => (root === "Quantity" ? "Element" : root);

function typesOf({ type = [], contentReference, base }: ElementDefinition): string[] {
  if (base?.path === "Resource.id") return ["id"]; // The definitions of 4.0.1 say string.
  if (contentReference) return [contentReference.slice(contentReference.indexOf("#") + 1)];
  return type.map(
    ({ code, extension }) =>
      (code.includes("/") && extension?.find(({ url }) => url === FHIR_TYPE)?.valueUrl) ||
      (code.includes("/") ? "string" : code),
  );
}

function required({ binding, type }: ElementDefinition, byUrl: ReadonlyMap<string, Terminology>) {
  const url = binding?.valueSet?.split("|")[0];
  if (
    binding?.strength !== "required" ||
    !url ||
    !/^(code|Coding|CodeableConcept)$/.test(type?.[0]?.code ?? "")
  )
    return null;
  const found = expanded(byUrl.get(url)?.compose, byUrl);
  if (found === null) return null;
  const count = [...found.values()].reduce((sum, { size }) => sum + size, 0);
  if (count === 0 || count > MAX_CODES) return null;
  const codes = Object.fromEntries([...found].map(([system, list]) => [system, [...list].join(" ")]));
  return { name: url.split("/").at(-1) ?? url, codes };
}

/** The codes of a value set by system; null where the definitions do not hold them all. */
function expanded(
  compose: Terminology["compose"],
  byUrl: ReadonlyMap<string, Terminology>,
): Map<string, Set<string>> | null {
  const found = new Map<string, Set<string>>();
  if (!compose || compose.exclude) return null;
  for (const { system, valueSet, concept, filter } of compose.include) {
    if (filter) return null;
    if (valueSet) {
      const inner = valueSet.map((url) => expanded(byUrl.get(url)?.compose, byUrl));
      for (const one of inner) {
        if (one === null) return null;
        for (const [key, codes] of one) found.set(key, new Set([...(found.get(key) ?? []), ...codes]));
      }
      continue;
    }
    const list = concept ?? byUrl.get(system ?? "")?.concept;
    if (!system || !list) return null;
    const codes = list.flatMap(function all(one: Concept): string[] {
      return [one.code, ...(one.concept ?? []).flatMap(all)];
    });
    if (codes.some((code) => code.includes(" "))) return null;
    found.set(system, new Set([...(found.get(system) ?? []), ...codes]));
  }
  return found;
}

const sorted = <T>(of: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1)));
