import { LimitQuery } from "../http.ts";
import { defineRoutes, REPLAY } from "../route.ts";
import { AccessQuery, AccessView, CareTeamMember, CareTeamView, KnownPeople } from "./schemas.ts";

export const careTeamApi = defineRoutes({
  list: {
    method: "GET",
    path: "/v1/patients/{id}/care-team",
    permission: "careteam:read",
    resource: "patient",
    summary: "Who treats this patient",
    query: LimitQuery,
    response: CareTeamView,
  },
  read: {
    method: "GET",
    path: "/v1/patients/{id}/care-team/{userId}",
    permission: "careteam:read",
    resource: "patient",
    summary: "One member of the care team",
    response: CareTeamMember,
    etag: true,
  },
  assign: {
    method: "PUT",
    path: "/v1/patients/{id}/care-team/{userId}",
    permission: "careteam:write",
    resource: "patient",
    summary: "Put someone on the care team",
    response: CareTeamMember,
    etag: true,
    errors: ["version_conflict", ...REPLAY],
  },
  unassign: {
    method: "DELETE",
    path: "/v1/patients/{id}/care-team/{userId}",
    permission: "careteam:write",
    resource: "patient",
    summary: "Take someone off the care team",
    errors: ["version_conflict"],
  },
  listKnown: {
    method: "GET",
    path: "/internal/known-people",
    internal: true,
    session: true,
    part: "people",
    summary: "Whom the caller's own chart names, for auth with the caller's assertion",
    response: KnownPeople,
  },
  checkAccess: {
    method: "GET",
    path: "/internal/patients/{id}/access",
    internal: true,
    session: true,
    resource: "patient",
    summary: "Whether the caller may touch files of this patient, and whose the prescription is",
    query: AccessQuery,
    response: AccessView,
  },
});
