import { elements, type Fields, listOf } from "./fields.ts";
import { everyName } from "./person.ts";
import type { FhirResource } from "./resource.ts";

/** Of one resource alone: its name there, its version, and words that tell what it says. */
const OWN = new Set(["id", "meta", "text", "implicitRules", "contained"]);
/** Names that a person has beside the one that they go by. */
const BESIDE = new Set(["maiden", "old", "nickname", "temp", "anonymous"]);
const CHOICES = ["deceased", "multipleBirth"];

/**
 * A Patient from one place, of a person whom another described before: what it says stands, and
 * what it does not speak of stays. A laboratory that knows a name and a number takes no birth date,
 * address or other name from the chart. Identifiers of both stand, and numbers of systems that it
 * has none of; a less exact birth date, an unknown sex and a part of the name say nothing new.
 */
export function mergedPatient(former: FhirResource, next: FhirResource): FhirResource {
  const saysName = !isPartOf(next.name, former.name);
  const saysDate = !isPrefix(next.birthDate, former.birthDate);
  const isSilent = (key: string): boolean =>
    (key === "name" && !saysName) ||
    (/^_?birthDate$/.test(key) && !saysDate) ||
    (key === "gender" && next.gender === "unknown");
  const said = Object.fromEntries(Object.entries(next).filter(([key]) => !isSilent(key)));
  const stays = Object.entries(former).filter(([key]) => !OWN.has(key) && !isSaid(key, said));
  const merged: FhirResource = { ...Object.fromEntries(stays), ...said, resourceType: next.resourceType };
  const lists: Fields = {
    identifier: joined(former, next, "identifier", ({ system, value }) => [system, value]),
    telecom: joined(former, next, "telecom", ({ system }) => [system]),
    extension: joined(former, next, "extension", ({ url }) => [url]),
    ...(saysName && { name: [...elements(next, "name"), ...namesBeside(former, next)] }),
  };
  const full = Object.entries(lists).flatMap(([key, list]) => {
    const there = listOf(list as Fields[]);
    return there && Array.isArray(merged[key] ?? []) ? [[key, there] as const] : [];
  });
  return { ...merged, ...Object.fromEntries(full) };
}

/** Whether an element is said; of a choice, in whatever type. */
function isSaid(key: string, said: Fields): boolean {
  const bare = key.replace(/^_/, "");
  const choice = CHOICES.find((one) => bare.startsWith(one));
  return Object.keys(said).some((name) => {
    const other = name.replace(/^_/, "");
    return choice ? other.startsWith(choice) : other === bare;
  });
}

/** Those of the next, and those of the former that are none of them by `key`. */
function joined(former: Fields, next: Fields, name: string, key: (one: Fields) => unknown[]): Fields[] {
  const list = elements(next, name);
  const known = new Set(list.map((one) => JSON.stringify(key(one ?? {}))));
  return [...list, ...elements(former, name).filter((one) => !known.has(JSON.stringify(key(one ?? {}))))];
}

function namesBeside(former: Fields, next: Fields): Fields[] {
  const uses = new Set(elements(next, "name").map((one) => one?.use));
  return elements(former, "name").filter((one) => BESIDE.has(String(one?.use)) && !uses.has(one?.use));
}

/** Whether all words of some names stand in others already. */
function isPartOf(these: unknown, those: unknown): boolean {
  const [words, known] = [wordsOf(these), new Set(wordsOf(those))];
  return words.length > 0 && words.length < known.size && words.every((word) => known.has(word));
}

const wordsOf = (names: unknown): string[] =>
  everyName(names).flatMap((part) => part.toLowerCase().split(/\s+/).filter(Boolean));

/** `1980` says nothing that `1980-05-12` does not. */
const isPrefix = (date: unknown, other: unknown): boolean =>
  typeof date === "string" && typeof other === "string" && date !== other && other.startsWith(date);
