import { appointmentApi, calendarApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { callerOf } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { list, read, remove } from "../resources/resource.service.ts";
import { listVersions } from "../resources/row-version.service.ts";
import { amendAppointment, book } from "./appointment.service.ts";
import { appointments } from "./appointment.table.ts";
import { readCalendar } from "./calendar.service.ts";
import { periodOf } from "./clinic-calendar.ts";
import { findSlots } from "./slot.service.ts";

export const appointmentRoutes = (context: Context): Route[] => [
  route(appointmentApi.create, ({ actor, req, body, write }) =>
    book(context, callerOf(actor, req), body, write),
  ),
  route(appointmentApi.list, ({ actor, query }) =>
    list(context, actor, appointments, { ...query, ...periodOf(query, context.clinic.timeZone) }),
  ),
  route(appointmentApi.listSlots, ({ actor, req, query }) => findSlots(context, callerOf(actor, req), query)),
  route(appointmentApi.read, ({ actor, params }) => read(context, actor, appointments, params.id)),
  route(appointmentApi.listVersions, ({ actor, params, query }) =>
    listVersions(context, actor, appointments, params.id, query.limit),
  ),
  route(appointmentApi.patch, ({ actor, req, params, body, ifMatch }) =>
    amendAppointment(context, callerOf(actor, req), params.id, body, ifMatch),
  ),
  route(appointmentApi.remove, ({ actor, params, ifMatch }) =>
    remove(context, actor, appointments, params.id, ifMatch),
  ),
  route(calendarApi.read, ({ actor, req, params }) =>
    readCalendar(context, callerOf(actor, req), params.file),
  ),
];
