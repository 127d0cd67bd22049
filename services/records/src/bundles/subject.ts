import type { FhirResource } from "../fhir/resource.ts";
import type { Bundle, Entry } from "./bundle.ts";
import type { BundleReferences } from "./reference.ts";

/** Elements that say about whom a resource is, the first that is there. */
const ABOUT = ["subject", "patient", "beneficiary", "individual", "for"] as const;

/** Refers to several patients and is about none of them. */
const NOBODY = -1;

interface Links {
  /** Places of the patients that the entry refers to. */
  patients: Set<number>;
  /** Indexes of the entries that it refers to. */
  entries: number[];
}

/**
 * Under which of its patients each entry of a bundle goes, as a place in `references.people`; -1
 * is under who loads it. With one patient, all go under that one. With several, an entry goes under
 * the patient that it is about or, failing that, the only one that it refers to. What refers to
 * none goes with what refers to it (a practitioner: the first patient's), or with what it refers to
 * (a provenance), if that is one patient's. So what is about several, such as a group, is in
 * nobody's record.
 */
export function subjectsOf(bundle: Bundle, references: BundleReferences): ReadonlyMap<Entry, number> {
  const { entries, patients } = bundle;
  const { people, personOf } = references;
  if (people.length < 2) return new Map(entries.map((entry) => [entry, people.length - 1]));
  const places = new Map(patients.map((patient) => [patient, people.indexOf(personOf(patient))]));
  const indexOf = new Map(entries.map(({ resource }, index) => [resource, index]));
  const placeOf = (about: unknown, entry: Entry): number | undefined => {
    const patient = references.patientOf(about, entry);
    return patient ? places.get(patient) : undefined;
  };
  const links = entries.map((entry) => linksOf(entry, references, placeOf, indexOf));
  const placed = entries.map((entry, index): number | undefined => {
    const about = aboutOf(entry);
    const own = new Set((Array.isArray(about) ? about : [about]).map((one) => placeOf(one, entry)));
    return places.get(entry) ?? only(own) ?? only(links[index]?.patients);
  });
  const found: (number | undefined)[] = [...placed];
  const takeAlong = (): void => {
    const queue = [...entries.keys()].filter((index) => (found[index] ?? NOBODY) !== NOBODY);
    queue.sort((a, b) => (found[a] as number) - (found[b] as number));
    for (const index of queue) {
      for (const to of links[index]?.entries ?? []) {
        if (found[to] !== undefined) continue;
        found[to] = found[index];
        queue.push(to);
      }
    }
  };
  takeAlong();
  for (const index of entries.keys()) {
    found[index] ??= only(new Set(links[index]?.entries.map((to) => placed[to])));
  }
  takeAlong();
  return new Map(entries.map((entry, at) => [entry, found[at] ?? NOBODY]));
}

/** What an entry says that it is about: a reference, or several. */
export const aboutOf = ({ resource }: Entry): unknown =>
  ABOUT.map((name) => resource[name]).find((value) => value !== undefined);

/** The one of a set that holds one; `NOBODY` of several; undefined where there is none. */
function only(set: ReadonlySet<number | undefined> | undefined): number | undefined {
  const some = [...(set ?? [])].filter((one) => one !== undefined);
  return some.length > 1 ? NOBODY : some[0];
}

/** Whom and what an entry refers to, wherever in it. */
function linksOf(
  entry: Entry,
  references: BundleReferences,
  placeOf: (about: unknown, entry: Entry) => number | undefined,
  indexOf: ReadonlyMap<FhirResource, number>,
): Links {
  const links: Links = { patients: new Set(), entries: [] };
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const { reference, identifier, resourceType } = value as Record<string, unknown>;
    if (resourceType === undefined && (typeof reference === "string" || identifier !== undefined)) {
      const place = placeOf(value, entry);
      if (place !== undefined) links.patients.add(place);
      const to = typeof reference === "string" ? references.resolve(reference, entry.resource) : null;
      const index = to ? indexOf.get(to) : undefined;
      if (index !== undefined && place === undefined) links.entries.push(index);
    }
    for (const inner of Object.values(value)) walk(inner);
  };
  walk(entry.resource);
  return links;
}
