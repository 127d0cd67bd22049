import { elements, type Fields, listOf, withElement } from "./fields.ts";
import { retold } from "./narrative.ts";
import type { FhirResource } from "./resource.ts";

/**
 * Marks the text that is the whole of a record, where its author wrote what no other element says:
 * in an annotation or, where R4 has none, beside the narrative.
 */
const WHOLE_TEXT = "urn:medvault:fhir:whole-text";
const WITH_NOTES = new Set(["Condition", "Observation", "Procedure", "Immunization", "AllergyIntolerance"]);

export const hasNotes = ({ resourceType }: FhirResource): boolean => WITH_NOTES.has(resourceType);

/** The text that a resource marks as the whole of its record. */
export function wholeText(resource: FhirResource): string | null {
  const note = elements(resource, "note").find(isMarked);
  const text = note?.text ?? elements(resource, "extension").find(isWhole)?.valueString;
  return typeof text === "string" ? text : null;
}

/** A resource without that text: what its other elements say. */
export function withoutWholeText(resource: FhirResource): FhirResource {
  const notes = elements(resource, "note");
  const extensions = elements(resource, "extension");
  if (notes.some(isMarked))
    return withElement(resource, "note", listOf(notes.filter((one) => !isMarked(one))));
  if (!extensions.some(isWhole)) return resource;
  return withElement(resource, "extension", listOf(extensions.filter((one) => !isWhole(one))));
}

export function withWholeText(resource: FhirResource, title: string, text: string): FhirResource {
  if (hasNotes(resource)) {
    const note = { extension: [{ url: WHOLE_TEXT, valueBoolean: true }], text };
    return withElement(resource, "note", [...elements(resource, "note"), note]);
  }
  const extension = [...elements(resource, "extension"), { url: WHOLE_TEXT, valueString: text }];
  return retold(withElement(resource, "extension", extension), [title, ...text.split("\n")]);
}

const isWhole = (one: Fields | null): boolean => one?.url === WHOLE_TEXT;
const isMarked = (note: Fields | null): boolean => note !== null && elements(note, "extension").some(isWhole);
