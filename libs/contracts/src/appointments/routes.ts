import { LimitQuery } from "../http.ts";
import { defineRoutes, REPLAY } from "../route.ts";
import * as a from "./schemas.ts";

export const appointmentApi = defineRoutes({
  create: {
    method: "POST",
    path: "/v1/appointments",
    permission: "appointment:write",
    summary: "Book a doctor's time, if it is free; a patient asks for it, where the operator allows that",
    request: a.NewAppointment,
    status: 201,
    response: a.AppointmentView,
    etag: true,
    errors: ["not_found", "slot_taken", "request_limit_reached", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/appointments",
    permission: "appointment:read",
    summary: "Appointments by their beginning, the latest first: a day, a week, of a doctor, of a patient",
    query: a.AppointmentListQuery,
    response: a.AppointmentPage,
    errors: ["not_found"],
  },
  listSlots: {
    method: "GET",
    path: "/v1/appointments/slots",
    permission: "appointment:read",
    summary: "When a doctor is free, within the clinic's hours",
    query: a.SlotQuery,
    response: a.Slots,
  },
  read: {
    method: "GET",
    path: "/v1/appointments/{id}",
    permission: "appointment:read",
    summary: "One appointment",
    response: a.AppointmentView,
    etag: true,
  },
  listVersions: {
    method: "GET",
    path: "/v1/appointments/{id}/versions",
    permission: "appointment:read",
    summary: "Every version, and who wrote it",
    query: LimitQuery,
    response: a.AppointmentVersions,
  },
  patch: {
    method: "PATCH",
    path: "/v1/appointments/{id}",
    permission: "appointment:write",
    summary: "Move it, cancel it, or take another step; a patient may cancel their own",
    request: a.AppointmentPatch,
    response: a.AppointmentView,
    etag: true,
    errors: ["invalid_transition", "slot_taken", "version_conflict"],
  },
  remove: {
    method: "DELETE",
    path: "/v1/appointments/{id}",
    permission: "appointment:delete",
    summary: "Delete what was entered by mistake; one that will not take place is cancelled instead",
    errors: ["version_conflict"],
  },
});
