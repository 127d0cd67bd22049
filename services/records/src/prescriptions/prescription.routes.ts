import { prescriptionApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { inTurn } from "../access/turns.ts";
import type { Context } from "../context.ts";
import { list, read, remove } from "../resources/resource.service.ts";
import { listVersions } from "../resources/row-version.service.ts";
import { prescribe, represcribe } from "./prescription.service.ts";
import { prescriptions } from "./prescription.table.ts";
import { searchPrescriptions } from "./prescription-search.service.ts";

export const prescriptionRoutes = (context: Context): Route[] => [
  route(prescriptionApi.create, ({ actor, body, write }) => prescribe(context, actor, body, write)),
  route(prescriptionApi.list, ({ actor, query }) => list(context, actor, prescriptions, query)),
  route(
    prescriptionApi.search,
    inTurn(context, ({ actor, body }) => searchPrescriptions(context, actor, body)),
  ),
  route(prescriptionApi.read, ({ actor, params }) => read(context, actor, prescriptions, params.id)),
  route(prescriptionApi.listVersions, ({ actor, params, query }) =>
    listVersions(context, actor, prescriptions, params.id, query.limit),
  ),
  route(prescriptionApi.replace, ({ actor, params, body, ifMatch, write }) =>
    represcribe(context, actor, params.id, body, ifMatch, write),
  ),
  route(prescriptionApi.remove, ({ actor, params, ifMatch }) =>
    remove(context, actor, prescriptions, params.id, ifMatch),
  ),
];
