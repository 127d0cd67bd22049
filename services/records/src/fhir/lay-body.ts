import { ZodError } from "zod";
import { elements, listOf, withElement } from "./fields.ts";
import { firstFitting, realigned } from "./lay.ts";
import { isKept, type Place, respelled, withPlace } from "./lay-line.ts";
import { type MappedRecord, mapRecord } from "./map-record.ts";
import type { FhirResource } from "./resource.ts";
import { hasNotes, withoutWholeText, withWholeText } from "./whole-text.ts";

/** Beyond these a resource is not looked through: each look at an element reads all others. */
const MAX_LOOKED_THROUGH_CHARS = 64_000;
const MAX_ELEMENTS = 60;
/** Of a list in which more than so many items changed, none is kept. */
const MAX_CHANGED_ITEMS = 20;
const PASSED_OVER = new Set([
  "resourceType",
  "id",
  "meta",
  "text",
  "note",
  "contained",
  "subject",
  "patient",
]);
const AMENDED = new Set(["Observation", "DiagnosticReport"]);

/**
 * Lays a body into the resource that it was read from. An element whose line is not in `wanted` as
 * it was says what the line says now, where it can; else it goes, since it is no longer so. What no
 * element says becomes a note; where even so the resource would not read as wanted, it holds the
 * whole text besides. A result that was final is amended.
 */
export function layBody(resource: FhirResource, wanted: string): FhirResource {
  if (readRecord(resource)?.body === wanted) return resource;
  const before = withoutWholeText(resource);
  const noted = hasNotes(before) ? withNotes(before, wanted) : before;
  if (readRecord(noted)?.body === wanted) return noted;
  const { lines, isChanged } = layLines(before, wanted.split("\n"));
  const isAmended = isChanged && AMENDED.has(lines.resourceType) && lines.status === "final";
  const laid = isAmended ? withElement(lines, "status", "amended") : lines;
  const title = readRecord(laid)?.title ?? "";
  const whole = withWholeText(withNotesOf(laid, wanted), title, wanted);
  const candidates = [hasNotes(laid) ? withNotes(laid, wanted) : laid, whole];
  return firstFitting(candidates, (one) => readRecord(one)?.body === wanted);
}

/** No resource changes once it is made: each is read once. */
const read = new WeakMap<FhirResource, MappedRecord | null>();

/** What a resource says as a record, alone; null where it says none. */
export function readRecord(resource: FhirResource): MappedRecord | null {
  const known = read.get(resource);
  if (known !== undefined) return known;
  let mapped: MappedRecord | null = null;
  try {
    mapped = mapRecord(resource, { resolve: () => null });
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
  }
  read.set(resource, mapped);
  return mapped;
}

/** With notes for all that stands behind the lines of other elements. */
function withNotes(resource: FhirResource, wanted: string): FhirResource {
  const lines = linesOf(withElement(resource, "note", undefined));
  const above = lines.map((line) => `${line}\n`).join("");
  const notes = elements(resource, "note");
  const texts = notes.map(({ text }) => (typeof text === "string" ? text : ""));
  // Who wrote a note, and when, is not said of what replaces it.
  const laid = realigned(texts, "\n", wanted.slice(above.length)).map(({ at, text }) =>
    text === undefined ? notes[at ?? -1] : { text },
  );
  return withElement(resource, "note", listOf(laid));
}

/** With those of its notes that stand in a text. */
function withNotesOf(resource: FhirResource, wanted: string): FhirResource {
  const all = elements(resource, "note");
  const notes = all.filter((one) => typeof one?.text !== "string" || wanted.includes(one.text));
  return notes.length === all.length ? resource : withElement(resource, "note", listOf(notes));
}

/** With the elements that `wanted` has other lines for, or none. */
function layLines(resource: FhirResource, wanted: readonly string[]) {
  const keys = Object.keys(resource).filter((key) => !PASSED_OVER.has(key) && !key.startsWith("_"));
  if (keys.length > MAX_ELEMENTS || JSON.stringify(resource).length > MAX_LOOKED_THROUGH_CHARS)
    return { lines: resource, isChanged: true };
  const lines = keys.reduce<FhirResource>((all, key) => {
    const places: Place[] = key.endsWith("Period") ? [[key, "end"]] : changedItems(all, key, wanted);
    const laid = places.toReversed().reduce<FhirResource>((one, place) => layPlace(one, place, wanted), all);
    return laid === all ? layPlace(all, [key], wanted) : laid;
  }, resource);
  return { lines, isChanged: lines !== resource };
}

/** Those items of a list, if they are few, of which `wanted` has not all lines. */
function changedItems(resource: FhirResource, key: string, wanted: readonly string[]): Place[] {
  const { [key]: list } = resource;
  if (!Array.isArray(list) || list.length < 2) return [];
  const others = linesOf(withElement(resource, key, undefined));
  const changed = list.flatMap((item, at): Place[] => {
    const own = linesOf({ ...resource, [key]: [item] });
    const [from, length] = cut(own, others);
    return isWithin(own.slice(from, from + length), wanted) ? [] : [[key, at]];
  });
  return changed.length > MAX_CHANGED_ITEMS ? [] : changed;
}

/** The resource with one element as `wanted` has its lines, if it has lines of its own. */
function layPlace(resource: FhirResource, place: Place, wanted: readonly string[]): FhirResource {
  const before = linesOf(resource);
  const without = withPlace(resource, place, undefined);
  const [at, length] = cut(before, linesOf(without));
  const own = before.slice(at, at + length);
  if (length === 0 || !isSameButBody(resource, without) || isWithin(own, wanted)) return resource;
  const [first = ""] = own;
  const label = first.slice(0, first.indexOf(": ") + 2);
  const start = wanted.findIndex((line) => label !== "" && line.startsWith(label) && !before.includes(line));
  const end = wanted.findIndex((line, index) => index > start && before.includes(line));
  const block = start === -1 ? [] : wanted.slice(start, end === -1 ? undefined : end);
  // A line of its own, unless the element had several.
  const texts = [...(length > 1 ? [block] : []), block.slice(0, 1)];
  const said = texts.flatMap((lines) => {
    if (lines.length === 0) return [];
    const expected = before.toSpliced(at, length, ...lines).join("\n");
    const [former, text] = [own, lines].map((of) => of.join("\n").slice(label.length)) as [string, string];
    return respelled(resource, place, former, text).filter(
      (one) => isSameButBody(resource, one) && linesOf(one).join("\n") === expected,
    );
  });
  return said[0] ?? (isKept(place) ? resource : without);
}

/** The lines of a resource as it stands; those that it brings alone, without its title. */
function linesOf(resource: FhirResource): string[] {
  const read = readRecord(resource);
  return read === null || read.body === read.title ? [] : read.body.split("\n");
}

/** Which lines of `before` are gone: from where, and how many; none where others came. */
function cut(before: readonly string[], after: readonly string[]): [at: number, length: number] {
  const length = before.length - after.length;
  const at = after.findIndex((line, index) => line !== before[index]);
  const from = at === -1 ? after.length : at;
  const isCut =
    length > 0 && after.slice(from).every((line, index) => line === before[from + length + index]);
  return isCut ? [from, length] : [0, 0];
}

function isWithin(lines: readonly string[], wanted: readonly string[]): boolean {
  return wanted.some((_, at) => lines.every((line, index) => wanted[at + index] === line));
}

const UNLIKE_BODY = ["type", "title", "code", "occurredAt"] as const;

function isSameButBody(one: FhirResource, other: FhirResource): boolean {
  const [a, b] = [readRecord(one), readRecord(other)];
  return a !== null && b !== null && UNLIKE_BODY.every((field) => spelled(a[field]) === spelled(b[field]));
}

const spelled = (value: MappedRecord[keyof MappedRecord]): string => JSON.stringify(value);
