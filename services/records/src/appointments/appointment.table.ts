import { type AppointmentListQuery, AppointmentView } from "@medvault/contracts";
import { appointmentResource } from "../fhir/map-appointment.ts";
import { fhirPair } from "../fhir/pair.ts";
import { updatedBy } from "../resources/patient-owned.ts";
import { AUTHORED, OWNED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import type { Appointment } from "./appointment.ts";

export const appointments = resource<Appointment, AppointmentView, AppointmentListQuery>({
  noun: "appointment",
  table: "appointments",
  closable: { type: "appointment" },
  columns: {
    ...OWNED,
    ...AUTHORED,
    createdBy: { store: "uuid", content: false },
    doctorId: { store: "uuid", content: true, fhir: "participant.actor.reference" },
    startsAt: { store: "timestamptz", content: true, fhir: "start" },
    endsAt: { store: "timestamptz", content: true, fhir: "end" },
    status: { store: "text", content: true, fhir: "status" },
    reason: { store: "sealed", content: true, fhir: "reasonCode.text" },
    changeReason: {
      store: "sealed",
      content: true,
      fhir: { none: "an Appointment says why it takes place, not why it was moved" },
    },
    outsideHours: {
      store: "sealed",
      content: true,
      fhir: { none: "an Appointment does not say when its place is open" },
    },
  },
  permissions: { read: "appointment:read", write: "appointment:write", delete: "appointment:delete" },
  view: AppointmentView,
  author: updatedBy,
  order: "startsAt",
  list: {
    filters: {
      doctorId: { column: "doctorId", is: "=" },
      status: { column: "status", is: "=" },
      from: { column: "startsAt", is: ">=" },
      to: { column: "startsAt", is: "<" },
    },
  },
  details: ({ status }) => ({ status }),
  // One that comes by FHIR is kept as it came: it takes nobody's time here.
  fhir: fhirPair<Appointment, never>({
    read: () => null,
    make: (mapped) => mapped,
    write: appointmentResource,
    lay: (original) => original,
  }),
});
