import type { AppointmentStatus } from "@medvault/contracts";
import type { Appointment } from "../appointments/appointment.ts";
import type { FhirResource, Reference } from "./resource.ts";

/** FHIR calls what somebody asked for, and nobody promised yet, proposed. */
const STATUS: Readonly<Partial<Record<AppointmentStatus, string>>> = { requested: "proposed" };

/** An appointment, as FHIR R4. */
export function appointmentResource(appointment: Appointment, patient: Reference): FhirResource {
  const { id, status, startsAt, endsAt, reason, doctorId } = appointment;
  const isAgreed = status !== "requested";
  return {
    resourceType: "Appointment",
    id,
    status: STATUS[status] ?? status,
    ...(reason !== null && { reasonCode: [{ text: reason }] }),
    start: startsAt.toISOString(),
    end: endsAt.toISOString(),
    created: appointment.createdAt.toISOString(),
    participant: [
      { actor: patient, status: "accepted" },
      { actor: { reference: `urn:uuid:${doctorId}` }, status: isAgreed ? "accepted" : "needs-action" },
    ],
  };
}
