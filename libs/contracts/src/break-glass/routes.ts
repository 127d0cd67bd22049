import { defineRoutes, REPLAY } from "../route.ts";
import * as b from "./schemas.ts";

export const breakGlassApi = defineRoutes({
  open: {
    method: "POST",
    path: "/v1/patients/{id}/break-glass",
    permission: "breakglass:write",
    resource: "patient",
    stepUp: true,
    summary: "Reach a chart in an emergency, for a limited time and in plain sight",
    request: b.NewBreakGlass,
    example: { purpose: "ETREAT", reason: "Unconscious in the emergency room" },
    status: 201,
    response: b.BreakGlassView,
    etag: true,
    errors: ["break_glass_running", "break_glass_limit", ...REPLAY],
  },
  list: {
    method: "GET",
    path: "/v1/break-glass",
    permission: "breakglass:read",
    summary: "Who reached which chart in an emergency, and why, latest first",
    query: b.BreakGlassListQuery,
    response: b.BreakGlassPage,
    errors: ["not_found"],
  },
  read: {
    method: "GET",
    path: "/v1/break-glass/{id}",
    permission: "breakglass:read",
    summary: "One emergency access",
    response: b.BreakGlassView,
    etag: true,
  },
  review: {
    method: "PATCH",
    path: "/v1/break-glass/{id}",
    permission: "breakglass:review",
    summary: "Say whether an emergency access was justified; never one's own",
    request: b.BreakGlassReview,
    response: b.BreakGlassView,
    etag: true,
    errors: ["invalid_transition", "version_conflict"],
  },
});
