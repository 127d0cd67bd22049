import { medicalRecordApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { inTurn } from "../access/turns.ts";
import type { Context } from "../context.ts";
import { list, read } from "../resources/resource.service.ts";
import { addRecord, hideRecord, listVersions, readIntegrity, reviseRecord } from "./record.service.ts";
import { medicalRecords } from "./record.table.ts";

export const medicalRecordRoutes = (context: Context): Route[] => [
  route(medicalRecordApi.create, ({ actor, params, body, write }) =>
    addRecord(context, actor, params.id, body, write),
  ),
  route(medicalRecordApi.list, ({ actor, params, query }) =>
    list(context, actor, medicalRecords, { ...query, patientId: params.id }),
  ),
  route(
    medicalRecordApi.search,
    inTurn(context, ({ actor, params, body }) =>
      list(context, actor, medicalRecords, { ...body, patientId: params.id }, "searched"),
    ),
  ),
  route(medicalRecordApi.read, ({ actor, params }) => read(context, actor, medicalRecords, params.id)),
  route(medicalRecordApi.replace, ({ actor, params, body, ifMatch, write }) =>
    reviseRecord(context, actor, params.id, body, ifMatch, write),
  ),
  route(medicalRecordApi.hide, ({ actor, params, ifMatch }) =>
    hideRecord(context, actor, params.id, ifMatch),
  ),
  route(medicalRecordApi.listVersions, ({ actor, params, query }) =>
    listVersions(context, actor, params.id, query.limit),
  ),
  route(medicalRecordApi.readIntegrity, ({ actor, params }) => readIntegrity(context, actor, params.id)),
];
