import { canonicalJson } from "@medvault/crypto";
import { Concept, wordsOf } from "./element.ts";
import { type Fields, withElement } from "./fields.ts";
import type { FhirResource, Original } from "./resource.ts";
import { written } from "./written.ts";

/**
 * What comes of an original when its row is changed here: the change is laid into it, and all else
 * stays as it came. `lay` gives the resource itself where it says nothing else than before, and
 * one of another type where the row is another thing now: that has a full URL of its own.
 */
export function laidInto(source: Original, lay: (resource: FhirResource) => FhirResource): Original {
  const laid = lay(source.resource);
  if (laid === source.resource) return source;
  const resource = written(laid, source.resource);
  const isSame = resource.resourceType === source.resource.resourceType;
  return { fullUrl: isSame ? source.fullUrl : null, resource };
}

/** The gentlest that reads as it should; the barest, which is the last, where none does. */
export function firstFitting<T>(candidates: readonly T[], fits: (one: T) => boolean): T {
  return candidates.find(fits) ?? (candidates.at(-1) as T);
}

/** Whether two elements say the same, in whatever order. */
export const isEqual = (one: unknown, other: unknown): boolean =>
  one === other || (one !== undefined && other !== undefined && canonicalJson(one) === canonicalJson(other));

/** One of the texts of a list that stand joined in a field: that at `at`, or a new one. */
export interface Part {
  at: number | null;
  /** What it is to say now; undefined: what it said. */
  text?: string;
}

/**
 * Which texts of a list stay, and which one is said again, so that all of them joined are `wanted`.
 * Texts that are empty show nowhere, and stay.
 */
export function realigned(texts: readonly string[], separator: string, wanted: string): Part[] {
  const shown = texts.flatMap((text, at) => (text === "" ? [] : [{ ended: text + separator, at }]));
  let rest = wanted === "" ? "" : wanted + separator;
  let [from, to] = [0, shown.length];
  for (; from < to && rest.startsWith(shown[from]?.ended ?? ""); from++)
    rest = rest.slice(shown[from]?.ended.length);
  for (; to > from; to--) {
    const { ended = "" } = shown[to - 1] ?? {};
    if (rest !== ended && !rest.endsWith(separator + ended)) break;
    rest = rest.slice(0, -ended.length);
  }
  const gone = new Set(shown.slice(from, to).map(({ at }) => at));
  const parts: Part[] = texts.flatMap((_, at) => (gone.has(at) ? [] : [{ at }]));
  if (rest === "") return parts;
  const text = rest.slice(0, -separator.length);
  // In the place of the first that is gone, else before those that follow.
  const place = shown[from]?.at ?? texts.length;
  const said = { at: gone.has(place) ? place : null, text };
  return [
    ...parts.filter(({ at }) => Number(at) < place),
    said,
    ...parts.filter(({ at }) => Number(at) >= place),
  ];
}

/**
 * A change of words and codes laid into the concept that was shown; `former` and `next` say both as
 * a concept written here would. Codes of what it no longer is go: each coding of a concept says the
 * same as its others.
 */
export function layConcept(concept: Fields | undefined, former: Fields, next: Fields): Fields {
  const isRecoded = !isEqual(former.coding, next.coding);
  const isUncoded = next.coding === undefined && former.text !== next.text;
  const coded = isRecoded || isUncoded ? withElement(concept ?? {}, "coding", next.coding) : (concept ?? {});
  if (former.text === next.text && wordsOf(Concept.parse(coded)) === next.text) return coded;
  return withElement(coded, "text", next.text);
}
