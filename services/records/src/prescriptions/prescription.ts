import type { PrescriptionView } from "@medvault/contracts";
import type { Coded } from "../fhir/coding.ts";
import type { FhirResource, Original } from "../fhir/resource.ts";
import { asSaid, DAY_CHARS, firstDay, lastDay, type Said } from "../resources/as-said.ts";
import type { Stored } from "../resources/patient-owned.ts";

export interface Prescription
  extends Omit<Stored<PrescriptionView, "createdAt" | "updatedAt">, "startDate" | "undated" | "code">,
    Coded {
  /** By which it is sorted: the first day of what `said` says, or when it became known. */
  startDate: string;
  said: Said | null;
  /** The FHIR resource that it came from, with what was changed here. */
  source: Original | null;
}

/**
 * From when to when, as it was said; where nobody said from when, it is sorted by when it became
 * known.
 */
export function lasting(
  start: string | null | undefined,
  end: string | null | undefined,
  knownAt: string,
): Pick<Prescription, "startDate" | "endDate" | "said"> {
  const said = {
    ...((!start || start.length < DAY_CHARS) && { startDate: start ?? "" }),
    ...(end && end.length < DAY_CHARS && { endDate: end }),
  };
  return {
    startDate: start ? firstDay(start) : knownAt.slice(0, DAY_CHARS),
    endDate: end ? lastDay(end) : null,
    said: Object.keys(said).length > 0 ? said : null,
  };
}

/** What nobody said a start of is in no range of starts. */
export const isDated = (prescription: Prescription): boolean => asSaid(prescription, "startDate") !== null;

/** What a prescriber answers for; a note or an end by another makes nobody the prescriber. */
const SUBSTANCE = ["medication", "code", "codeSystem", "dosage", "frequency", "refills"] as const;
const DATES = ["startDate", "endDate"] as const;

/** A prescription whose original says that it is none: in error, forbidden, or modified. */
export function revoked(former: Prescription, original: FhirResource, now: Date): Prescription | null {
  const isError = original.status === "entered-in-error";
  const status = isError ? "entered-in-error" : original.doNotPerform === true ? "cancelled" : "unknown";
  if (former.status === status) return null;
  return { ...former, status, rev: former.rev + 1, updatedAt: now };
}

/**
 * Who rewrites what is to be taken, or makes it active again, prescribes it from then on. `next` is
 * the version that `by` makes of `former`.
 */
export function authored(next: Prescription, former: Prescription, by: string): Prescription {
  const isRewritten =
    SUBSTANCE.some((field) => next[field] !== former[field]) ||
    DATES.some((field) => asSaid(next, field) !== asSaid(former, field));
  const isRevived = next.status === "active" && former.status !== "active";
  return {
    ...next,
    prescribedBy: isRewritten || isRevived ? by : former.prescribedBy,
    createdBy: former.createdBy ?? former.prescribedBy,
    updatedBy: by,
  };
}
