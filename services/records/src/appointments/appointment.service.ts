import {
  type Actor,
  type AppointmentPatch,
  type AppointmentView,
  Forbidden,
  InvalidInput,
  type NewAppointment,
  type ResourceAction,
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
import { RequestLimitReached, SlotTaken, StepRefused } from "./appointment.errors.ts";
import { holdDoctorsTime, isOwnDoctor, isTaken, waitingRequests } from "./appointment.store.ts";
import { appointments } from "./appointment.table.ts";
import { type Appointment, amend, isMoved, isPatientsChange, verbOf } from "./appointment.ts";
import { isOpen } from "./opening-hours.ts";

/** Of a patient, so that nobody fills a doctor's days by asking. */
const MAX_WAITING_REQUESTS = 3;
const MIN_REQUESTED_MS = 5 * 60_000;
const MAX_REQUESTED_MS = 60 * 60_000;

/**
 * Books a doctor's time for a patient; who is one themselves asks for it. Throws NotFound,
 * Forbidden, InvalidInput, SlotTaken, RequestLimitReached, Unavailable.
 */
export async function book(
  context: Context,
  actor: Caller,
  input: NewAppointment,
  request: WriteRequest,
): Promise<Answer<AppointmentView>> {
  const { patientId, doctorId, reason = null } = input;
  const isRequest = isOfOwn(actor, "appointment:write");
  if (isRequest && (!context.clinic.takesRequests || input.status === "booked")) throw new Forbidden();
  const [startsAt, endsAt] = [new Date(input.startsAt), new Date(input.endsAt)];
  const outsideHours = isOutsideHours(context, { startsAt, endsAt });
  if (isRequest) requireRequestable({ startsAt, endsAt, outsideHours });
  await requireDoctor(context, actor, doctorId, isRequest);
  const make = (made: PatientOwned): Appointment => ({
    ...made,
    doctorId,
    startsAt,
    endsAt,
    reason,
    status: isRequest ? "requested" : (input.status ?? "booked"),
    changeReason: null,
    outsideHours,
    createdBy: actor.id,
    updatedBy: actor.id,
  });
  return createAfter(
    context,
    actor,
    appointments,
    patientId,
    async (tx, ofPatient) => {
      await holdDoctorsTime(tx, actor, doctorId);
      if (!isRequest || (await waitingRequests(tx, actor, ofPatient)) < MAX_WAITING_REQUESTS) return;
      throw about(new RequestLimitReached(), ofPatient);
    },
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
  const isPatients = isOfOwn(actor, "appointment:write");
  if (patch.doctorId !== undefined) await requireDoctor(context, actor, patch.doctorId, isPatients);
  let patientId: string | null = null;
  const next = (found: Appointment, now: Date): Appointment => {
    patientId = found.patientId;
    const changed = amend(found, patch, now);
    if (isPatients && !isPatientsChange(found, patch, now)) {
      throw patch.status === "cancelled" ? new StepRefused() : new Forbidden();
    }
    return isMoved(changed, found) ? { ...changed, outsideHours: isOutsideHours(context, changed) } : changed;
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

/** Whether the actor reaches their own chart alone, as a patient does. */
export const isOfOwn = (actor: Actor, permission: ResourceAction): boolean =>
  reachOf(actor, permission).scope === "own";

type Times = Pick<Appointment, "startsAt" | "endsAt">;

const isOutsideHours = ({ clinic }: Context, { startsAt, endsAt }: Times): boolean =>
  !isOpen(clinic.hours, clinic.timeZone, startsAt.getTime(), endsAt.getTime());

/** Requires a time that a patient may ask for. Throws InvalidInput. */
function requireRequestable({ startsAt, endsAt, outsideHours }: Times & { outsideHours: boolean }): void {
  const fault = (path: string, code: string, message: string) =>
    new InvalidInput(undefined, [{ path, code, message }]);
  if (startsAt.getTime() <= Date.now()) throw fault("startsAt", "past", "must be in the future");
  if (outsideHours) throw fault("startsAt", "outside_hours", "must be within the clinic's hours");
  const lengthMs = endsAt.getTime() - startsAt.getTime();
  if (lengthMs < MIN_REQUESTED_MS)
    throw fault("endsAt", "too_short", "must be 5 minutes after startsAt at least");
  if (lengthMs > MAX_REQUESTED_MS)
    throw fault("endsAt", "too_long", "must be an hour after startsAt at most");
}

/**
 * Requires that an id is the active account of a doctor; for a patient, of one who treats them.
 * Throws InvalidInput, Unavailable.
 */
export async function requireDoctor(
  context: Context,
  caller: Caller,
  doctorId: string,
  isPatients: boolean,
): Promise<void> {
  const fault = new InvalidInput(undefined, [
    { path: "doctorId", message: "is no active account of a doctor whom you can ask for" },
  ]);
  if (isPatients && !(await isOwnDoctor(context.pool, caller, doctorId))) throw fault;
  const role = doctorId === caller.id ? caller.role : await context.auth.roleOf(caller, doctorId);
  if (role !== "doctor") throw fault;
}
