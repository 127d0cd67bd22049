import { normalise } from "@medvault/crypto";

/** What a person who works here may be to a patient, beside caring for them. */
export type Relation = "own" | "colleague" | "family_name";

/** What is compared: nothing of it leaves this service. */
export interface Compared {
  readonly actorId: string;
  /** How the directory calls them; null: it does not know. */
  readonly actorName: string | null;
  /** Whose account the chart belongs to. */
  readonly userId: string | null;
  /** Whether somebody who works here has that account. */
  readonly isColleague: boolean;
  readonly familyName: string;
}

/** The closest relation that holds; null: none. */
export function relationOf({ actorId, actorName, userId, ...patient }: Compared): Relation | null {
  if (userId === actorId) return "own";
  if (patient.isColleague) return "colleague";
  return actorName !== null && hasFamilyName(actorName, patient.familyName) ? "family_name" : null;
}

/**
 * Whether somebody called so is of this family: `Jan van der Berg`, `Berg, Jan` and `Dr. J. BERG`
 * are of the family Berg. Without regard to case, accents and width.
 */
export function hasFamilyName(name: string, familyName: string): boolean {
  const [before = "", after] = name.split(",", 2);
  const family = wordsOf(familyName);
  const called = wordsOf(before);
  if (family.length === 0) return false;
  // `Berg, Jan` is the family alone; else a given name stands before it.
  const end = called.slice(-family.length).join(" ");
  return end === family.join(" ") && (after !== undefined || called.length > family.length);
}

const wordsOf = (text: string): string[] => normalise(text).split(/\s+/).filter(Boolean);
