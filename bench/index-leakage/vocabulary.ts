import { exampleBundles, resourcesOf } from "../../services/records/test/examples.ts";

interface Drug {
  readonly medication: string;
  readonly code: { readonly system: string; readonly code: string; readonly display: string } | null;
}

/** What occurs in the bundles there are, each as often as it occurs there. */
export interface Vocabulary {
  readonly drugs: readonly Drug[];
  readonly people: readonly { readonly givenName: string; readonly familyName: string }[];
  readonly conditions: readonly string[];
}

interface Concept {
  readonly text?: string;
  readonly coding?: { readonly system?: string; readonly code?: string; readonly display?: string }[];
}
interface Resource {
  readonly resourceType: string;
  readonly name?: { readonly given?: string[]; readonly family?: string }[];
  readonly code?: Concept;
  readonly medicationCodeableConcept?: Concept;
}

export function readVocabulary(): Vocabulary {
  const resources = exampleBundles().flatMap(([, bundle]) => resourcesOf(bundle)) as unknown as Resource[];
  const ofType = (...types: string[]) => resources.filter(({ resourceType }) => types.includes(resourceType));
  return {
    drugs: ofType("MedicationRequest").flatMap(({ medicationCodeableConcept: of }) => {
      const { system, code, display = of?.text } = of?.coding?.[0] ?? {};
      const medication = of?.text ?? display;
      if (medication === undefined) return [];
      return [{ medication, code: system && code && display ? { system, code, display } : null }];
    }),
    people: ofType("Patient", "Practitioner").map(({ name }) => ({
      givenName: lettersOf(name?.[0]?.given?.join(" ")) || "Ada",
      familyName: lettersOf(name?.[0]?.family) || "Marsh",
    })),
    conditions: ofType("Condition").flatMap(({ code }) => code?.text ?? code?.coding?.[0]?.display ?? []),
  };
}

/** Synthea's names end in numbers. */
const lettersOf = (name = ""): string => name.replace(/\d+/g, "").trim();
