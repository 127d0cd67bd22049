import { type Comparison, compare, haveSameNational, type Identity } from "./identity.ts";

/** By what a chart was found for a patient of a bundle. */
export interface Evidence {
  /** The very same Patient resource was loaded into it. */
  same: boolean;
  /** The full URL of its resource; or a local id together with name and birth date. */
  url: "server" | "uuid" | "local" | null;
  /** How many identifiers they have in common. */
  identifiers: number;
}

export interface Candidate extends Evidence {
  id: string;
  /** The surviving one of charts that were merged; else its own. */
  chartId: string;
  createdAt: Date;
  identity: Identity;
}

/** The chart that somebody is, and how well it fits. */
interface Match {
  id: string;
  fit: number;
}

const SAME = 1_000_000;
const SERVER = 10_000;
const NUMBER = 10;

/**
 * Whose chart a patient of a bundle is. Only identifiers of a person, a number of a state, or the
 * resource itself make a match, and only where birth date, sex and name do not contradict; the same
 * resource of the same server may be corrected in one of them. Of two that fit equally none is
 * taken, but for charts of the very same resource: of those the first.
 */
export function decide(identity: Identity, candidates: readonly Candidate[]): Match | null {
  const ranked = candidates
    .map((one) => ({ one, fit: fitOf(one, identity) }))
    .sort((a, b) => b.fit - a.fit || a.one.createdAt.getTime() - b.one.createdAt.getTime());
  const [best] = ranked;
  const next = ranked.find(({ one }) => one.chartId !== best?.one.chartId);
  const isTaken = best !== undefined && best.fit > 0 && (best.fit > (next?.fit ?? 0) || best.fit >= SAME);
  return isTaken ? { id: best.one.id, fit: best.fit } : null;
}

/** How well they go together; 0 is doubt. */
function fitOf(candidate: Candidate, identity: Identity): number {
  const compared = compare(candidate.identity, identity);
  const { birthDate, sex, name } = compared.agrees;
  const agreement = Number(birthDate) + Number(sex) + Number(name) + 1;
  if (candidate.same) return SAME;
  const isOne = isOnePerson(candidate, identity, compared);
  if (!isOne) return 0;
  return agreement + NUMBER * candidate.identifiers + (candidate.url === "server" ? SERVER : 0);
}

function isOnePerson(candidate: Candidate, identity: Identity, compared: Comparison): boolean {
  const { contradictions, agrees, numbersDiffer } = compared;
  if (candidate.url === "server") {
    const faults = contradictions + Number(numbersDiffer);
    return faults === 0 || (faults === 1 && Object.values(agrees).includes(true));
  }
  if (contradictions > 0) return false;
  if (candidate.identifiers > 0 || candidate.url === "local") return true;
  // A UUID is reused where a bundle is a template of others.
  if (candidate.url === "uuid") return agrees.name && !numbersDiffer;
  return haveSameNational(candidate.identity, identity) && (agrees.birthDate || agrees.name);
}
