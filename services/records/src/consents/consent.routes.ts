import { consentsApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { callerOf } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { list } from "../resources/resource.service.ts";
import { giveConsent, readConsent, revokeConsent } from "./consent.service.ts";
import { consents } from "./consent.table.ts";

export const consentRoutes = (context: Context): Route[] => [
  route(consentsApi.give, ({ actor, req, params, body, write }) =>
    giveConsent(context, callerOf(actor, req), params.id, body, write),
  ),
  route(consentsApi.list, ({ actor, params, query }) =>
    list(context, actor, consents, { ...query, patientId: params.id }),
  ),
  route(consentsApi.read, ({ actor, params }) => readConsent(context, actor, params.id, params.consentId)),
  route(consentsApi.revoke, ({ actor, params, ifMatch }) =>
    revokeConsent(context, actor, params.id, params.consentId, ifMatch),
  ),
];
