import {
  type AppointmentPatch,
  type AppointmentView,
  Forbidden,
  InvalidInput,
  type NewAppointment,
} from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Caller } from "../access/auth.client.ts";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { createAfter } from "../resources/creation.service.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { about } from "../resources/refusal.service.ts";
import { change } from "../resources/resource.service.ts";
import { SlotTaken, StepRefused } from "./appointment.errors.ts";
import { holdDoctorsTime, isTaken } from "./appointment.store.ts";
import { appointments } from "./appointment.table.ts";
import { type Appointment, amend, isMoved, isPatientsChange, verbOf } from "./appointment.ts";

/**
 * Books a doctor's time for a patient. Throws NotFound, Forbidden, InvalidInput (of the doctor),
 * SlotTaken, Unavailable.
 */
export async function book(
  context: Context,
  actor: Caller,
  { patientId, startsAt, endsAt, reason = null, status = "booked", doctorId }: NewAppointment,
  request: WriteRequest,
): Promise<Answer<AppointmentView>> {
  if (isPatient(actor)) throw new Forbidden();
  await requireDoctor(context, actor, doctorId);
  const make = (made: PatientOwned): Appointment => ({
    ...made,
    doctorId,
    startsAt: new Date(startsAt),
    endsAt: new Date(endsAt),
    reason,
    status,
    changeReason: null,
    createdBy: actor.id,
    updatedBy: actor.id,
  });
  return createAfter(
    context,
    actor,
    appointments,
    patientId,
    (tx) => holdDoctorsTime(tx, actor, doctorId),
    make,
    request,
  ).catch((error: unknown) => Promise.reject(slotTakenBy(error, patientId)));
}

/**
 * Moves an appointment, cancels it, or takes another step. A move onto a time that is taken leaves
 * it where it was. Throws as book does, VersionConflict, StepRefused.
 */
export async function amendAppointment(
  context: Context,
  actor: Caller,
  id: string,
  patch: AppointmentPatch,
  expectedRev: number | null,
): Promise<Answer<AppointmentView>> {
  if (patch.doctorId !== undefined) await requireDoctor(context, actor, patch.doctorId);
  let patientId: string | null = null;
  const next = (found: Appointment, now: Date) => {
    patientId = found.patientId;
    const changed = amend(found, patch, now);
    if (isPatient(actor) && !isPatientsChange(found, patch, now)) {
      throw patch.status === "cancelled" ? new StepRefused() : new Forbidden();
    }
    return changed;
  };
  return inTransaction(context.pool, async (tx) => {
    const act = { verb: verbOf(patch) };
    const value = await change(tx, context, actor, appointments, id, expectedRev, act, async (found) => {
      const changed = next(found, new Date());
      if (isMoved(changed, found)) await holdDoctorsTime(tx, actor, changed.doctorId);
      return changed;
    });
    return { body: appointments.view(value), rev: value.rev };
  }).catch((error: unknown) => Promise.reject(slotTakenBy(error, patientId)));
}

const slotTakenBy = (error: unknown, patientId: string | null): unknown =>
  isTaken(error) ? about(new SlotTaken(), patientId) : error;

/** Who reaches their own chart alone. */
const isPatient = (actor: Caller): boolean => reachOf(actor, "appointment:write").scope === "own";

async function requireDoctor({ auth }: Context, caller: Caller, doctorId: string): Promise<void> {
  const role = doctorId === caller.id ? caller.role : await auth.roleOf(caller, doctorId);
  if (role === "doctor") return;
  throw new InvalidInput(undefined, [{ path: "doctorId", message: "is no active account of a doctor" }]);
}
