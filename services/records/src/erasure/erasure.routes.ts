import { erasureApi, legalHoldApi } from "@medvault/contracts";
import { callerOf, type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { approveErasure, erasePatient, readErasure } from "./erasure.service.ts";
import { withdrawErasure } from "./erasure-request.service.ts";
import { liftHold, placeHold, readHold } from "./legal-hold.service.ts";
import { readReceipt } from "./receipt.service.ts";

export const erasureRoutes = (context: Context): Route[] => [
  route(erasureApi.request, ({ actor, params, body, write }) =>
    erasePatient(context, actor, params.id, body, write),
  ),
  route(erasureApi.read, ({ actor, params }) => readErasure(context, actor, params.id)),
  route(erasureApi.approve, ({ actor, params, write }) => approveErasure(context, actor, params.id, write)),
  route(erasureApi.receipt, ({ actor, params, req }) =>
    readReceipt(context, callerOf(actor, req), params.id),
  ),
  route(erasureApi.withdraw, ({ actor, params }) => withdrawErasure(context, actor, params.id)),
  route(legalHoldApi.place, ({ actor, params, body, write }) =>
    placeHold(context, actor, params.id, body, write),
  ),
  route(legalHoldApi.read, ({ actor, params }) => readHold(context, actor, params.id)),
  route(legalHoldApi.lift, ({ actor, params }) => liftHold(context, actor, params.id)),
];
