import { nameText } from "@medvault/search";
import { identifierKey, identifiersOf, isNational, isOfOnePerson, plainValue } from "../fhir/identifier.ts";
import { canonicalSystem } from "../fhir/national-system.ts";
import { everyName } from "../fhir/person.ts";
import type { FhirResource } from "../fhir/resource.ts";

/** What is said of who somebody is, as far as two people can be told apart by it. */
export interface Identity {
  /** The words of every name, of whatever time, also in Latin letters. */
  words: ReadonlySet<string>;
  /** In which letters they were written. */
  letters: ReadonlySet<"Latin" | "other">;
  birthDate: string | null;
  sex: string;
  /** The values of identifiers that one person alone has, by system. */
  identifiers: ReadonlyMap<string, ReadonlySet<string>>;
  /** Numbers of a state; the system is empty where it was not said. */
  nationals: readonly { system: string; value: string }[];
}

/** How what is said of two people goes together. */
export interface Comparison {
  /** How many of birth date, sex and name cannot be of one person. */
  contradictions: number;
  /** Which of them are known of both, and go together. */
  agrees: { birthDate: boolean; sex: boolean; name: boolean };
  /** One system gave them different numbers. */
  numbersDiffer: boolean;
}

/** Words of names that many have, or that stand for a name. */
const PARTICLES = new Set(
  `de da di do du la le el al van von der den del della dos das ter ibn bin bint abu y e
  mr mrs ms miss dr prof sir jr sr ii iii iv`.split(/\s+/),
);
const STAND_INS = new Set(
  "unknown unbekannt inconnu newborn baby boy girl babyboy babygirl male female infant".split(" "),
);
const MAX_WORDS = 500;
const LATIN = /\p{Script=Latin}/u;

/** What a FHIR Patient says, and fields of ours; elements of another shape say nothing. */
export function identityOf(
  resource: FhirResource | null,
  fields: { names?: readonly string[]; birthDate?: string | null; sex?: string; nationalId?: string | null },
): Identity {
  const own = identifiersOf(resource ?? {});
  const identifiers = Map.groupBy(own.filter(isOfOnePerson), ({ system }) => canonicalSystem(system));
  const nationals = own.filter(isNational).map(({ system, value }) => ({
    system: canonicalSystem(system),
    value: plainValue(value),
  }));
  const value = fields.nationalId ? plainValue(fields.nationalId) : "";
  if (value !== "" && !nationals.some((one) => one.value === value)) nationals.push({ system: "", value });
  const birthDate = fields.birthDate ?? resource?.birthDate;
  const names = [...(fields.names ?? []), ...everyName(resource?.name)];
  return {
    words: wordsOf(names),
    letters: new Set(
      names
        .join("")
        .match(/\p{L}/gu)
        ?.map((one) => (LATIN.test(one) ? "Latin" : "other")),
    ),
    birthDate: typeof birthDate === "string" ? birthDate : null,
    sex: fields.sex ?? String(resource?.gender ?? "unknown"),
    identifiers: new Map(
      [...identifiers].map(([system, of]) => [
        system,
        new Set(of.map((one) => plainValue(one.value, one.system))),
      ]),
    ),
    nationals,
  };
}

export function compare(a: Identity, b: Identity): Comparison {
  const isDated = a.birthDate !== null && b.birthDate !== null;
  const dates = isDated && isPartOf(a.birthDate ?? "", b.birthDate ?? "");
  const sexes = [a.sex, b.sex].every((sex) => sex === "male" || sex === "female");
  const names = !a.words.isDisjointFrom(b.words);
  // A name in Latin letters and one in others may be the same.
  const isNamed = a.words.size > 0 && b.words.size > 0 && !a.letters.isDisjointFrom(b.letters);
  return {
    contradictions: Number(isDated && !dates) + Number(sexes && a.sex !== b.sex) + Number(isNamed && !names),
    agrees: { birthDate: dates, sex: sexes && a.sex === b.sex, name: names },
    numbersDiffer: [...a.identifiers].some(([system, values]) =>
      b.identifiers.get(system)?.isDisjointFrom(values),
    ),
  };
}

/** A number of a state that both have; one of another system is another number. */
export function haveSameNational(a: Identity, b: Identity): boolean {
  return a.nationals.some((one) =>
    b.nationals.some(
      ({ system, value }) =>
        value === one.value && (system === "" || one.system === "" || system === one.system),
    ),
  );
}

/**
 * Of several Patients, which are one person: those that have an identifier in common and in nothing
 * contradict each other. For each the place of the first one who it is.
 */
export function personsOf(patients: readonly FhirResource[]): number[] {
  const identities = patients.map((resource) => identityOf(resource, {}));
  const firstWith = new Map<string, number>();
  return patients.map((resource, place) => {
    const keys = identifiersOf(resource).filter(isOfOnePerson).map(identifierKey);
    const others = keys.flatMap((key) => firstWith.get(key) ?? []);
    const found = others.find((other) => {
      const { contradictions } = compare(identities[place] as Identity, identities[other] as Identity);
      return contradictions === 0;
    });
    const person = found ?? place;
    for (const key of keys) if (!firstWith.has(key)) firstWith.set(key, person);
    return person;
  });
}

const isPartOf = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a);

function wordsOf(names: readonly string[]): Set<string> {
  const all = nameText(names)
    .split(" ")
    .filter((word) => word !== "" && !STAND_INS.has(word));
  // Initials and particles say little; who has nothing else is called by them.
  const telling = all.filter((word) => !PARTICLES.has(word) && !/^\p{Script=Latin}$/u.test(word));
  return new Set((telling.length > 0 ? telling : all).slice(0, MAX_WORDS));
}
