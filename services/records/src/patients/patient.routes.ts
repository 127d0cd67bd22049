import { patientApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { callerOf } from "../access/auth.client.ts";
import { inTurn } from "../access/turns.ts";
import type { Context } from "../context.ts";
import { listVersions } from "../resources/row-version.service.ts";
import { mergePatients, unmergePatients } from "./merge.service.ts";
import {
  createPatient,
  listPatients,
  readOwnPatient,
  readPatient,
  updatePatient,
} from "./patient.service.ts";
import { patients } from "./patient.table.ts";
import { searchPatients } from "./patient-search.service.ts";

export const patientRoutes = (context: Context): Route[] => [
  route(patientApi.create, ({ actor, req, body, write }) =>
    createPatient(context, callerOf(actor, req), body, write),
  ),
  route(patientApi.list, ({ actor, query }) => listPatients(context, actor, query)),
  route(
    patientApi.search,
    inTurn(context, ({ actor, body }) => searchPatients(context, actor, body)),
  ),
  route(patientApi.readOwn, ({ actor, query }) => readOwnPatient(context, actor, query.unmask)),
  route(patientApi.read, ({ actor, params, query }) => readPatient(context, actor, params.id, query.unmask)),
  route(patientApi.listVersions, ({ actor, params, query }) =>
    listVersions(context, actor, patients, params.id, query.limit),
  ),
  route(patientApi.patch, ({ actor, req, params, body, ifMatch }) =>
    updatePatient(context, callerOf(actor, req), params.id, body, ifMatch),
  ),
  route(patientApi.merge, ({ actor, params, body, ifMatch, write }) =>
    mergePatients(context, actor, params.id, body.from, ifMatch, write),
  ),
  route(patientApi.unmerge, ({ actor, params, body, ifMatch, write }) =>
    unmergePatients(context, actor, params.id, body?.from, ifMatch, write),
  ),
];
