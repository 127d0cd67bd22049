import {
  type ActVerb,
  APPOINTMENT_ORDER,
  type AppointmentPatch,
  type AppointmentStatus,
  type AppointmentView,
  InvalidInput,
  isAppointmentTime,
} from "@medvault/contracts";
import type { Original } from "../fhir/resource.ts";
import { nextRevision, type Stored } from "../resources/patient-owned.ts";
import { StepRefused } from "./appointment.errors.ts";

export interface Appointment
  extends Stored<AppointmentView, "startsAt" | "endsAt" | "createdAt" | "updatedAt"> {
  /** Always null: appointments come from here alone. */
  source: Original | null;
}

/** Where each status leads. Who came after all, though noted as not, has arrived. */
const STEPS: Readonly<Record<AppointmentStatus, readonly AppointmentStatus[]>> = {
  requested: ["booked", "cancelled"],
  booked: ["arrived", "fulfilled", "noshow", "cancelled"],
  arrived: ["fulfilled", "cancelled"],
  noshow: ["arrived"],
  fulfilled: [],
  cancelled: [],
};
const TO_COME: ReadonlySet<AppointmentStatus> = new Set(["requested", "booked"]);

/** What events call a change. */
export function verbOf({ status, startsAt, endsAt, doctorId }: AppointmentPatch): ActVerb {
  if (status !== undefined && !TO_COME.has(status)) return VERBS[status] ?? status;
  if ([startsAt, endsAt, doctorId].some((value) => value !== undefined)) return "rescheduled";
  return status ?? "updated";
}
const VERBS: Readonly<Partial<Record<AppointmentStatus, ActVerb>>> = { noshow: "missed" };

/** Whether a change takes another time of a doctor. */
export const isMoved = (next: Appointment, former: Appointment): boolean =>
  next.doctorId !== former.doctorId ||
  next.startsAt.getTime() !== former.startsAt.getTime() ||
  next.endsAt.getTime() !== former.endsAt.getTime();

/**
 * The appointment after a change, one revision on. What has not begun is moved; what is over stays
 * as it is, but for its next step. A reason is of one change: the next one has its own, or none.
 * Throws StepRefused, InvalidInput.
 */
export function amend(former: Appointment, patch: AppointmentPatch, now: Date): Appointment {
  const { startsAt, endsAt, changeReason, ...others } = patch;
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const next = nextRevision(
    former,
    {
      ...given,
      ...(startsAt !== undefined && { startsAt: new Date(startsAt) }),
      ...(endsAt !== undefined && { endsAt: new Date(endsAt) }),
    },
    now,
  );
  const isStep = next.status !== former.status;
  if (isStep && !STEPS[former.status].includes(next.status)) throw new StepRefused();
  const isOver = !TO_COME.has(former.status) && former.status !== "arrived";
  if (isOver && !isStep) throw new StepRefused();
  const moved = isMoved(next, former);
  if (moved && !TO_COME.has(former.status)) throw new StepRefused();
  if (!isAppointmentTime(next.startsAt, next.endsAt)) {
    const { path, message } = APPOINTMENT_ORDER;
    throw new InvalidInput(undefined, [{ path: path.join("."), message }]);
  }
  const kept = isStep || moved ? null : former.changeReason;
  return { ...next, changeReason: changeReason === undefined ? kept : changeReason };
}

/** Whether a patient may make this change of their own: cancel what has not begun. */
export function isPatientsChange(former: Appointment, patch: AppointmentPatch, now: Date): boolean {
  const { status, changeReason: _, ...others } = patch;
  const isNothingElse = Object.values(others).every((value) => value === undefined);
  return status === "cancelled" && isNothingElse && former.startsAt > now;
}
