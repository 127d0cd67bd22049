import { searchWords } from "@medvault/search";
import { plainValue } from "../fhir/identifier.ts";
import { canonicalSystem } from "../fhir/national-system.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { type DateCondition, dateConditionOf, meetsDate, rangeOfElement } from "./date-range.ts";
import type { SearchParameter } from "./search-parameter.ts";

/** One condition that a resource must meet: one of several values will do. */
export type Criterion = (resource: FhirResource) => boolean;

type Fields = Record<string, unknown>;

/** The condition of a parameter with these values; null where one of them is malformed. */
export function criterionOf(parameter: SearchParameter, values: readonly string[]): Criterion | null {
  const { type } = parameter;
  if (type === "date") {
    const conditions = values.map(dateConditionOf);
    if (!conditions.every((one): one is DateCondition => one !== null)) return null;
    return (resource) =>
      valuesIn(resource, parameter)
        .flatMap((value) => rangeOfElement(value) ?? [])
        .some((range) => conditions.some((condition) => meetsDate(range, condition)));
  }
  const meets = meetsOf(parameter);
  return (resource) =>
    valuesIn(resource, parameter).some((value) => values.some((wanted) => meets(value, wanted)));
}

function meetsOf({ name, type }: SearchParameter): (value: unknown, wanted: string) => boolean {
  if (type === "string") return textMeets(name);
  if (name === "phone" || name === "email") return contactMeets(name);
  return name === "identifier" ? identifierMeets : (value, wanted) => tokenMeets(value, wanted);
}

/** A number whatever stands between its digits, an address whatever its case. */
const contactMeets =
  (system: "phone" | "email") =>
  (value: unknown, wanted: string): boolean => {
    const contact = value as { system?: unknown; value?: unknown } | null;
    if (contact?.system !== system || typeof contact.value !== "string") return false;
    const plain = (text: string): string => {
      const bare = text.normalize("NFKC").replace(/^\s*(tel|mailto):/i, "");
      return system === "phone"
        ? bare.replace(/[^\p{L}\p{N}]/gu, "").toLowerCase()
        : bare.trim().toLowerCase();
    };
    const asked = plain(wanted);
    return asked !== "" && plain(contact.value) === asked;
  };

/** An identifier, however it and its system are spelt. */
const identifierMeets = (value: unknown, wanted: string): boolean =>
  tokenMeets(value, wanted, (text) => plainValue(text), canonicalSystem);

function valuesIn(resource: FhirResource, { elements }: SearchParameter): unknown[] {
  return elements.flatMap((path) => {
    const found = path.split(".").reduce<unknown>((at, name) => (at as Fields | undefined)?.[name], resource);
    return found === undefined || found === null ? [] : [found].flat();
  });
}

const asIs = (text: string): string => text;

/** `code`, `system|code`, `|code` (without a system), `system|`: of any of a concept's codings. */
function tokenMeets(value: unknown, wanted: string, plain = asIs, canonical = asIs): boolean {
  const bar = wanted.indexOf("|");
  const system = bar === -1 ? null : canonical(wanted.slice(0, bar));
  const code = plain(wanted.slice(bar + 1));
  return codingsOf(value).some(
    (coding) =>
      (system === null || canonical(String(coding.system ?? "")) === system) &&
      (code === "" || plain(String(coding.code)) === code),
  );
}

function codingsOf(value: unknown): { system?: unknown; code?: unknown }[] {
  if (typeof value === "string" || typeof value === "boolean") return [{ code: String(value) }];
  if (typeof value !== "object" || value === null) return [];
  const fields = value as Fields;
  if (Array.isArray(fields.coding)) return fields.coding.flatMap(codingsOf);
  return [{ system: fields.system, code: fields.code ?? fields.value }];
}

const PARTS: Readonly<Record<string, readonly string[]>> = {
  family: ["family"],
  given: ["given"],
  name: ["text", "family", "given", "prefix", "suffix"],
};

/** Whether each word begins a word of the name, whatever its case and accents. */
const textMeets =
  (name: string) =>
  (value: unknown, wanted: string): boolean => {
    const parts = (PARTS[name] ?? []).flatMap((part) => (value as Fields)?.[part] ?? []);
    const words = parts.flatMap((part) => searchWords(String(part)));
    const begins = searchWords(wanted);
    return begins.length > 0 && begins.every((begin) => words.some((word) => word.startsWith(begin)));
  };
