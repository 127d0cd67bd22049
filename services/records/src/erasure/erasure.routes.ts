import { erasureApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { erasePatient, readErasure } from "./erasure.service.ts";

export const erasureRoutes = (context: Context): Route[] => [
  route(erasureApi.request, ({ actor, params, body, write }) =>
    erasePatient(context, actor, params.id, body, write),
  ),
  route(erasureApi.read, ({ actor, params }) => readErasure(context, actor, params.id)),
];
