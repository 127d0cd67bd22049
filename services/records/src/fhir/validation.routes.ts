import { fhirValidationApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { validateResource } from "./validation.service.ts";

export const fhirValidationRoutes = (context: Context): Route[] => [
  route(fhirValidationApi.validate, async ({ actor, body }) => ({
    body: await validateResource(context, actor, body),
  })),
  route(fhirValidationApi.validateType, async ({ actor, body, params }) => ({
    body: await validateResource(context, actor, body, params.type),
  })),
];
